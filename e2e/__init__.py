"""The real thing: a real daemon, a real video, a real browser and real players."""
