"""Other tools' formats and protocols. Empty until the first bridge is built."""
