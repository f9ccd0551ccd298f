"""Cameras of this machine, through Video4Linux."""
