"""Tests with the kernel's own camera drivers, in a guest."""
