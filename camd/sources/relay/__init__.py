"""Cameras of another camd, read from its live channel."""
