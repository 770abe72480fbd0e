"""The whole chain from one recipe."""
