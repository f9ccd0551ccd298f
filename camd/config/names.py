"""What a camera may be called: its name stands in addresses."""

from __future__ import annotations

import re

CAMERA_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""64 characters: room enough for a name, and a path that no proxy cuts."""

TAKEN_NAMES = frozenset({"cameras", "live", "qr", "session", "sign"})
"""Names no camera may have: ``/api/cameras`` and the like mean something else."""
