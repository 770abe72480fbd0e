"""The page of the evidence on one file, and the index of a folder of files: no network, no inline script or style."""
