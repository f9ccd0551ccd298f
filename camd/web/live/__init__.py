"""The live channel: a WebSocket for all cameras. docs/live.md specifies it."""
