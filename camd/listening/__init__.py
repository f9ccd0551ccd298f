"""Where the daemon listens, and with which certificates."""
