"""What remains: the run folder. Standard library only."""
