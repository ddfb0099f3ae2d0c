"""One kind of check per file; a new file is found by itself."""
