"""``synthscope serve``: inspections for a browser on the same machine. Nothing leaves it, nothing is stored."""
