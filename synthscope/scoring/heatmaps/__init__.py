"""Stored heatmaps against annotations, and against each other."""
