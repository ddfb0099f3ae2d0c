"""What is done before a fit: a rehearsal, measurements, a plan, a look at data and batches."""
