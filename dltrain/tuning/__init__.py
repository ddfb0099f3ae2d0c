"""Searches: the space, the study that stores trials, worker processes, and the outcome."""
