"""What answers requests: one model package behind HTTP, alone in a process or in an image.

It sees the journal and what lies below it; no query engine, data frames or terminal library are ever loaded here.
"""
