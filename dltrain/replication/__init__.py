"""What is done with several runs of one experiment: series, folds, seeds, and runs that are done again."""
