"""Files to pixels and tables."""
