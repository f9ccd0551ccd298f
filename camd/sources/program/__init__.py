"""Cameras that are a program: what it writes to its standard output are JPEGs."""
