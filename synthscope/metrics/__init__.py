"""Arrays to numbers, with n and intervals; numpy alone."""
