"""Cameras that send their pictures to camd, which asks for nothing."""
