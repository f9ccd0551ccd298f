"""``/metrics``: what camd counts, for Prometheus and programs like it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from twisted.web.http import Request

from camd.cameras.camera import Camera
from camd.rights import TO_COUNT
from camd.web.answers import NO_STORE, Answer

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class MetricsResource(Answer):
    """``/metrics``, in Prometheus' text or, where it is asked for, in OpenMetrics."""

    opened_by = TO_COUNT

    def __init__(self, cameras: Mapping[str, Camera]) -> None:
        super().__init__()
        self._cameras = cameras
        self._registry: CollectorRegistry | None = None

    def answer(self, request: Request) -> bytes:
        """Answer with what all counters show now."""
        # Prometheus' client is loaded for the first scrape, if there ever is one.
        from camd.web.exposition import encoder_for, registry_of

        if self._registry is None:
            self._registry = registry_of(self._cameras)
        encode, content_type = encoder_for(request.getHeader(b"Accept"))
        request.setHeader(b"Content-Type", content_type.encode())
        request.setHeader(*NO_STORE)
        return encode(self._registry)
