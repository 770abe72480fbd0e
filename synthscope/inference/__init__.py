"""Detectors over a manifest: logits, heatmaps and masks, kept by key and never computed twice."""
