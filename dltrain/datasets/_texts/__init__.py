"""What sources of texts share."""
