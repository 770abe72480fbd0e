"""Predictions, heatmaps and masks to figures with intervals; no detector runs here."""
