"""Image files: what their headers say, how they are decoded, and what reads those that a user gives."""
