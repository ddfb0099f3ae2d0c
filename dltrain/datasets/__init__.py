"""Data sources: one per file, the file's stem its registered name; each returns Splits."""
