"""How many may watch: in all, one camera, and from one address."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from camd.cameras.camera import Camera
from camd.web.client import network_of


@dataclass(frozen=True, slots=True)
class ViewerLimits:
    """The room there is for viewers.

    :ivar most: viewers of all cameras together.
    :ivar most_per_address: viewers from one address, an IPv6 address standing for its
        /64; 0 for as many as there may be.
    """

    most: int
    most_per_address: int

    def refusal(
        self, cameras: Mapping[str, Camera], camera: Camera, address: str
    ) -> str | None:
        """Return why one more viewer cannot be let in, in one line; None if it can.

        :param cameras: all of them.
        :param camera: the one to be watched.
        :param address: the client's; empty for a UNIX socket.
        """
        if sum(len(other.viewers) for other in cameras.values()) >= self.most:
            return f"there are {self.most} viewers already; try again later"
        limit = camera.settings.max_viewers_per_camera
        if limit and len(camera.viewers) >= limit:
            return f"this camera has {limit} viewers already; try again later"
        limit = self.most_per_address
        if not limit or _is_local(address):
            return None
        network = network_of(address)
        from_there = sum(
            network_of(viewer.client_info.address) == network
            for each in cameras.values()
            for viewer in each.viewers
        )
        if from_there >= limit:
            return f"{limit} viewers have your address already; close one"
        return None


UNLIMITED = ViewerLimits(sys.maxsize, 0)
"""Room for everybody."""

Refusal = Callable[[Camera, str], str | None]
"""Says why no more viewers are let in, as :meth:`ViewerLimits.refusal`."""


def _is_local(address: str) -> bool:
    """Return whether this is a proxy or somebody on this machine, not one client."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return True
