"""Artifact heads over annotated images."""
