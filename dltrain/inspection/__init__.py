"""What is wrong with data, found by looking at them: findings, the checks that make them, and the fingerprint."""
