"""Run folders: reading, listing, comparing and removing them. Standard library only."""
