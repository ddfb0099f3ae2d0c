"""What happens: the device is chosen, the network trained, its state saved."""
