"""How many may watch: in all, one camera, and from one address."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from camd.cameras.camera import Camera


@dataclass(frozen=True, slots=True)
class ViewerLimits:
    """
    The room there is for viewers.

    :param most: viewers of all cameras together.
    :param most_per_address: viewers from one address; 0 for as many as there may be.
    """

    most: int
    most_per_address: int

    def lack(
        self, cameras: Mapping[str, Camera], camera: Camera, address: str
    ) -> str | None:
        """
        Tell why one more viewer cannot be let in.

        :param cameras: all of them.
        :param camera: the one to be watched.
        :param address: the client's; empty for a UNIX socket.
        :return: one line; None when there is room.
        """
        if sum(len(other.viewers) for other in cameras.values()) >= self.most:
            return f"there are {self.most} viewers already; try again later"
        limit = camera.settings.max_viewers_per_camera
        if limit and len(camera.viewers) >= limit:
            return f"this camera has {limit} viewers already; try again later"
        limit = self.most_per_address
        if limit and not _is_local(address) and _from(address, cameras) >= limit:
            return f"{limit} viewers have your address already; close one"
        return None


UNLIMITED = ViewerLimits(sys.maxsize, 0)
"""Room for everybody."""

Lack = Callable[[Camera, str], str | None]
"""Says why no more viewers are let in, as :meth:`ViewerLimits.lack`."""


def _from(address: str, cameras: Mapping[str, Camera]) -> int:
    return sum(
        viewer.client_info.address == address
        for camera in cameras.values()
        for viewer in camera.viewers
    )


def _is_local(address: str) -> bool:
    """Tell whether this is a proxy or somebody on this machine, not one client."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return True
