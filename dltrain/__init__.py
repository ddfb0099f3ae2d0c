"""dltrain: train Keras networks described in YAML."""

__version__ = "0.1.0"
