"""What is shown of a run: what a page is made of, what a network's answers are worth, and the page."""
