"""Pages for a browser on the same machine: inspections, and the images of a run. Nothing leaves it."""
