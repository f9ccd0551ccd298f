"""``twistd``, with the tests' driver in place of the kernel's for the controls.

No machine of a CI has a camera. All above ``ioctl`` is the real thing.
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path

from twisted.scripts.twistd import run

FOCUS = 0x009A090A
"""A control that this camera lists and whose setting fails."""

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

    from camd import tap
    from camd.sources.v4l2.controlled import DeviceControls
    from tests.fake_v4l2 import FakeDriver

    driver = FakeDriver()
    driver.faults[FOCUS] = errno.EIO
    tap.make_controls = lambda settings: DeviceControls("camera", {}, driver.opened)
    run()
