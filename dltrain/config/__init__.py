"""What an experiment says: the mechanism that reads it, and what it consists of."""
