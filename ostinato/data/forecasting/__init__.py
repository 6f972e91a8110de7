"""Tables of series: read, put on a grid of equal steps, split by time, and cut into windows."""
