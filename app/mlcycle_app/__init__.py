"""What a person touches: command line, terminal UI, browser. Reaches the library only through `gateway`."""
