"""Commands before a fit: a rehearsal, measurements, a plan, an inspection of data and batches."""
