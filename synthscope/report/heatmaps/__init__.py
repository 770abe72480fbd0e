"""Pictures of where detectors look, chosen by rules."""
