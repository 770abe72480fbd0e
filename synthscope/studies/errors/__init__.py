"""Errors that people see in generated pictures of people: do they agree, and do detectors see them, too?"""
