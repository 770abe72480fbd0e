"""A detector for programs without torch: its graph, its preprocessing in words, and an example that runs both."""
