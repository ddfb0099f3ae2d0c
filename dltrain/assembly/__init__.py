"""From a checked config to loaded data and a compiled network."""
