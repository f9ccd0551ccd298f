"""What is called when something happens to a camera: ``on_event``."""
