"""What concerns the process as a whole: memory, open files, the reactor, systemd."""
