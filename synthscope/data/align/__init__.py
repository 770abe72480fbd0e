"""Real and AI images alike in size and compression, as "Fake or JPEG?" compares them."""
