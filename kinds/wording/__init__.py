"""The words for people, one module per language. Nothing outside this package says a sentence to anybody."""
