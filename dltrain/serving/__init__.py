"""Serving a run's network over HTTP: needs pip install 'dltrain[serve]'."""
