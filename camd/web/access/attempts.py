"""Wrong keys, of whatever kind: a client that tries too many is refused for a while.

A right key is let in all the same: a page that has its visitors' browsers send wrong
keys must not lock out the programs at their addresses. What keeps keys from being
guessed is their length; this keeps guesses from going unnoticed.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from camd.web.client import network_of

TRIES = 10
"""Wrong keys from one address in :data:`WINDOW`; people need two or three."""

WINDOW = 60.0
"""Seconds in which they are counted, and for which their sender is refused then."""

MOST = 10_000
"""Addresses that are remembered; the first of them is forgotten for a new one."""


@dataclass(slots=True)
class _Tried:
    since: float
    count: int = 0


class Attempts:
    """The wrong keys of the last minute, by address.

    An IPv6 address stands for its /64, which is what one customer has (RFC 6177).
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        # In the order of their first attempt.
        self._tried: dict[str, _Tried] = {}

    def refused(self, address: str) -> bool:
        """Return whether this address has sent too many of late."""
        tried = self._recent(network_of(address))
        return tried is not None and tried.count >= TRIES

    def failed(self, address: str, count: int = 1) -> None:
        """Note wrong keys that came in one request."""
        network = network_of(address)
        tried = self._recent(network)
        if tried is None:
            tried = self._begin(network)
        before, tried.count = tried.count, tried.count + count
        if before < TRIES <= tried.count:
            # From now on, not from the first wrong key.
            tried.since = self._clock.seconds()
            self._log.warn(
                "{tries} wrong keys from {address}: refused for {seconds:.0f} s",
                tries=TRIES,
                address=network or "a UNIX socket",
                seconds=WINDOW,
            )

    def _recent(self, network: str) -> _Tried | None:
        tried = self._tried.get(network)
        if tried is not None and self._clock.seconds() - tried.since >= WINDOW:
            del self._tried[network]
            return None
        return tried

    def _begin(self, network: str) -> _Tried:
        if len(self._tried) >= MOST:
            del self._tried[next(iter(self._tried))]
        tried = self._tried[network] = _Tried(self._clock.seconds())
        return tried
