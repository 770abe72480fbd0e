"""How well heatmaps find annotated artifacts."""
