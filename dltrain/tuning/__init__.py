"""Searching: what is looked for, the study that remembers, its trials and their workers, and what came out."""
