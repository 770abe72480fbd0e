"""The datasheet of a data set: a page and the README of its place on a hub."""
