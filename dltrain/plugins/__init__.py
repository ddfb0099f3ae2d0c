"""The user's own code: files that a config names, and the Keras classes that they define."""
