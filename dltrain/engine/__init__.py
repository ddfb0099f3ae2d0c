"""The compiled loop and what feeds it: knows tensors and devices, no experiment."""
