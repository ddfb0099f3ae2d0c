"""Files of arrays, and what reads those that a user gives."""
