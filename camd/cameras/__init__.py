"""One camera: its pictures and its viewers."""
