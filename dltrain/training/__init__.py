"""fit alone: the epochs of a run, what decides along the way, and what is kept of it."""
