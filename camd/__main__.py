"""``python -m camd`` is the ``camd`` command."""

import sys

from camd.cli import main

sys.exit(main())
