"""Several workers that train together: the list of workers, rendezvous, messages, agreement, and a cost model."""
