"""RULES: what it means. Pure decisions, one module per chapter of a task's life; no I/O, no clock, no randomness."""
