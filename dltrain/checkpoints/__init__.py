"""State on disk: checkpoints, the training state in them, the weights that a run was built on, weight files."""
