"""Using a trained run: evaluation, prediction, export and report."""
