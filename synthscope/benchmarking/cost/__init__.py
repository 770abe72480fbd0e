"""What a benchmark would do, and how long it would take here."""
