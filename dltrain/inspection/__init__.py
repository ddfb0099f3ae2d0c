"""Checks of the data: findings, the checks that make them, and the fingerprint."""
