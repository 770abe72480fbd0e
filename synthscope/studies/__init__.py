"""What a benchmark says beyond its tables: traces in the spectrum, kinship of generators, amount and kind of images."""
