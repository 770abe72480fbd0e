"""One file a kind of figure; every function returns a Matplotlib figure."""
