"""camd: a camera daemon. One camera, any number of viewers, MJPEG over HTTP."""

__version__ = "0.1.0"
