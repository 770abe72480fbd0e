"""How many AI images that a detector catches does it miss once they were attacked? For research on robustness."""
