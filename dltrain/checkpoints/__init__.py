"""State on disk: checkpoints, what a run must remember, which weights it was built on, files of weights."""
