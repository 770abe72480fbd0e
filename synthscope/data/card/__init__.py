"""What a datasheet says of a data set: numbers that can be computed, and answers that only people know."""
