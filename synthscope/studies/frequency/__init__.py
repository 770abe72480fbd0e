"""What traces does a generator leave in the spectrum?"""
