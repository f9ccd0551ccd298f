"""The face of the daemon: what it answers over HTTP, and to whom."""
