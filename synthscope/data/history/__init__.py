"""What happened to pixels before they are looked at: traces of earlier compression and resampling."""
