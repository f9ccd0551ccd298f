"""From a frame to every viewer's socket."""
