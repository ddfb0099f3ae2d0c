"""Time series: their times and grid, windows of them, and how tables hold them."""
