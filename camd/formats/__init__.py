"""The formats of pictures and streams, without I/O."""
