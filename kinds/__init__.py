"""WORDS: what crosses the wire, who says it and in which form. Pure: no I/O, no clock, no randomness."""
