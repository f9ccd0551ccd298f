"""Tests with two USB webcams, whose faults the test decides."""
