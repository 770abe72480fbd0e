"""Explainers over a manifest."""
