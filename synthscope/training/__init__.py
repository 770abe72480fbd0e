"""One training loop, what it is fed with, and its recipes."""
