"""Several runs of one experiment: series, folds, seeds, and repetitions of a run."""
