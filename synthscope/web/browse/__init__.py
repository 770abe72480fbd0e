"""A browser of any run or manifest: images that were judged wrong first, with what detectors and people saw in each."""
