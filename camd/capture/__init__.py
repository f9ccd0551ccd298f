"""From a source to frames: in the camera's own thread, or where pictures arrive."""
