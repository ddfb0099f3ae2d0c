"""Architectures: one family per file, the file's stem its registered name."""
