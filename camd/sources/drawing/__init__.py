"""Pictures that camd draws, and drawing on a camera's pictures."""
