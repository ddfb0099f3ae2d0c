"""Sources of image files: folders, archives and tables of them."""
