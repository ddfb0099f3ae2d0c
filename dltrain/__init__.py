"""dltrain: train Keras networks described in YAML."""

__version__ = "0.2.0"
