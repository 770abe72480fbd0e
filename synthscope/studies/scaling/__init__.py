"""How many classes and images does a detector need?"""
