"""Are more damaged AI images easier to detect?"""
