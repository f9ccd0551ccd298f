"""Cameras in the network that are asked over HTTP."""
