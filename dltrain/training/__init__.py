"""`dltrain fit`: the epochs of a run, the decisions between them, and the files that it writes."""
