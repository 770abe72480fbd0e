"""X-AIGD's official evaluators, number for number."""
