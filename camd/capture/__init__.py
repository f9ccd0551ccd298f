"""From a source to whole JPEGs, in the camera's own thread."""
