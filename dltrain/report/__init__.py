"""Reports: the parts of a page, measures of predictions, and the page itself."""
