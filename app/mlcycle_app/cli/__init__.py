"""The command line: every action, each with `--json`; data on stdout, words on stderr."""
