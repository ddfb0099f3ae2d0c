"""What sources have in common: their parts, their cut, what is proposed of a path."""
