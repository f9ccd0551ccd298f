"""Tests with a camera that gives raw pictures only."""
