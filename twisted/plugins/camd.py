"""Tells twistd of camd. Every twistd command imports this, so there is no more."""

from twisted.application.service import ServiceMaker

camd = ServiceMaker(
    "camd", "camd.tap", "Show cameras to any number of viewers as MJPEG.", "camd"
)
