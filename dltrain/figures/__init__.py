"""Drawing sheets of panels from given numbers."""
