"""One file to evidence: scope, verdict against reference photographs, stability, heatmaps and what the file says."""
