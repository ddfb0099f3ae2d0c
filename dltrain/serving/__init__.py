"""A run's network behind HTTP: needs pip install 'dltrain[serve]'."""
