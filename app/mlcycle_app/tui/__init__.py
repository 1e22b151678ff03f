"""The terminal UI. One screen, eight views; each view reads through the gateway in a worker and never waits in a handler."""
