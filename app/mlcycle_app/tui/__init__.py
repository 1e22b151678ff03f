"""The terminal UI. One screen, eight views; each reads through the gateway in a worker, and no handler waits."""
