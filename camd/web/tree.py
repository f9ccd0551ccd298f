"""Which resource answers at which address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from twisted.web.http import Request
from twisted.web.resource import Resource

from camd.cameras.camera import Camera
from camd.rights import TO_SEE
from camd.web import page
from camd.web.access.access import Access
from camd.web.access.signing import SignResource
from camd.web.answers import NO_STORE, Answer, Tree, html_answer
from camd.web.client import NO_PROXIES, Proxies
from camd.web.controls import ControlsResource
from camd.web.embed import EmbedResource
from camd.web.frame import FrameResource
from camd.web.limits import UNLIMITED, Refusal, ViewerLimits
from camd.web.live.channel import LiveChannel
from camd.web.live.resource import LiveResource
from camd.web.metrics import MetricsResource
from camd.web.push import PushResource
from camd.web.qr import QrResource
from camd.web.request import argument
from camd.web.sign_in import SessionResource, begin_session
from camd.web.snapshot import SnapshotResource
from camd.web.status import (
    CamerasResource,
    HealthResource,
    ReadyResource,
    StatsResource,
)
from camd.web.stream import StreamResource


class FrontResource(Resource):
    """``/``: the page, or what mjpg-streamer has there.

    ``/?action=stream`` is the first camera's, ``/?action=stream_1`` the second's.
    """

    isLeaf = True
    opened_by = TO_SEE

    def __init__(self, page: Resource, cameras: Sequence[CameraTree]) -> None:
        super().__init__()
        self._page = page
        self._actions: dict[bytes, Resource] = {}
        for number, camera in enumerate(cameras):
            for name, resource in camera.media.items():
                self._actions.setdefault(name.encode(), resource)
                self._actions[f"{name}_{number}".encode()] = resource

    def render(self, request: Request) -> bytes | int:
        """Answer as the action that is asked for, or else with the page."""
        action = argument(request, b"action") or b""
        answer: bytes | int = self._actions.get(action, self._page).render(request)
        return answer


class PageResource(Answer):
    """The page for people, which trades a key for a cookie."""

    opened_by = TO_SEE

    def __init__(
        self,
        cameras: Mapping[str, Camera],
        access: Access,
        proxies: Proxies,
        base: str,
        settings: page.PageSettings,
    ) -> None:
        super().__init__()
        self._cameras = cameras
        self._access = access
        self._proxies = proxies
        self._base = base
        self._settings = settings

    def answer(self, request: Request) -> bytes:
        """Answer with the page, or lead to it without the key in its address."""
        begin_session(request, self._access, self._proxies, self._base)
        request.setHeader(*NO_STORE)
        if argument(request, b"api_key") is not None:
            request.redirect(self._base.encode() + b"/")
            return b""
        titles = {name: c.settings.label for name, c in self._cameras.items()}
        html = page.render(titles, self._base, self._settings.title)
        policy = page.policy(self._settings.frame_ancestors)
        return html_answer(request, html, policy=policy)


class CameraTree(Tree):
    """``/api/NAME``: all that there is of one camera.

    :ivar media: its stream and its snapshot, which have other addresses, too.
    """

    def __init__(
        self, camera: Camera, proxies: Proxies, refusal: Refusal, live: LiveChannel
    ) -> None:
        stream = StreamResource(camera, proxies, refusal)
        stream.putChild(b"stats", StatsResource(camera))
        frames = FrameResource(camera, proxies, refusal)
        self.media: Mapping[str, Resource] = {
            "stream": stream,
            "snapshot": SnapshotResource(camera, frames),
        }
        super().__init__(
            "no such page",
            {
                "controls": ControlsResource(camera),
                "frame": frames,
                "live": LiveResource(live, proxies, camera),
                "push": PushResource(camera, proxies),
                **self.media,
            },
        )


def tree(
    cameras: Mapping[str, Camera],
    access: Access,
    proxies: Proxies = NO_PROXIES,
    base: str = "",
    limits: ViewerLimits = UNLIMITED,
    page_settings: page.PageSettings = page.DEFAULTS,
    *,
    live: LiveChannel,
) -> Resource:
    """Build all that camd answers. The first camera is the default one.

    :param base: what stands ahead of every path in the addresses that are told.
    :param page_settings: what the settings say of the page for people.
    :param live: what live connections share.
    """
    refusal = live.refusal = partial(limits.refusal, cameras)
    places, embedded = {}, {}
    for name, camera in cameras.items():
        places[name] = CameraTree(camera, proxies, refusal, live)
        embedded[name] = EmbedResource(
            camera, access, base, page_settings.frame_ancestors
        )
    # As µStreamer has them. An edge may have no camera yet.
    first = next(iter(places.values())).media if places else {}
    people = PageResource(cameras, access, proxies, base, page_settings)
    api: dict[str, Resource] = {
        **places,
        "cameras": CamerasResource(cameras, base),
        "live": LiveResource(live, proxies),
        "qr": QrResource(),
        "session": SessionResource(access, proxies, base),
        "sign": SignResource(cameras, access, base),
    }
    return Tree(
        "no such page",
        {
            "": FrontResource(people, [*places.values()]),
            "api": Tree("no such camera", api),
            "embed": Tree("no such camera", embedded),
            "healthz": HealthResource(),
            "metrics": MetricsResource(cameras),
            "page": page.FilesResource(page_settings.title),
            "readyz": ReadyResource(cameras),
            **first,
        },
    )
