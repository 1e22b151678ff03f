"""What a person touches: the command line, the terminal UI and the browser. Reaches the library only through `gateway`."""
