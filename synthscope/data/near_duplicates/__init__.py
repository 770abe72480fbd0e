"""Images that look alike though their bytes differ: perceptual hashes, their search, and clusters of copies."""
