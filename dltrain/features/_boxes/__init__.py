"""Boxes of objects: what stands in which column, how they are looked at and drawn."""
