"""What the feature audio is made of."""
