"""Fakes of the user's own photographs: pairs that differ in the decoder, and in nothing else if that can be had."""
