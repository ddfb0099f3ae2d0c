"""Files of tables, what is learnt of their columns, and what reads those that a user gives."""
