"""Figures to rows that people read."""
