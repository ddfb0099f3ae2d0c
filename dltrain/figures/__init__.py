"""What is drawn: sheets of panels, from numbers that others have collected."""
