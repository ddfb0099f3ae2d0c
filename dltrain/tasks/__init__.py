"""What the labels mean: the loss, the metrics, what to monitor."""
