"""
A camera that is asked over HTTP: a stream of JPEGs, or one JPEG again and again. They
are passed on as they come. Whatever else is at the address is left to another source.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from camd.config.masking import mask_url
from camd.formats.multipart import MultipartError, Parser
from camd.sources import CameraMode, Clock, RawFrame, Sleep, Source, SourceError
from camd.sources.http.caller import Caller, LookUp, look_up, send_by
from camd.sources.http.client import Answer, Client
from camd.sources.http.pictures import PicturePolls, PictureStream, is_picture
from camd.sources.http.tls import trust
from camd.sources.http.url import Url


class HttpCamera:
    """
    A camera with an ``http://`` or ``https://`` address.

    Its connection lives on the reactor; what waits for it here is the camera's thread.

    :param fps: the most requests a second, where each brings one picture.
    :param verify_tls: whether an https camera must have a certificate that the system
        trusts.
    :param otherwise: makes the source for what is neither a stream of JPEGs nor a JPEG.
    :param find: looks host names up.
    """

    def __init__(
        self,
        address: str,
        fps: float,
        *,
        verify_tls: bool,
        reactor: Any,
        clock: Clock,
        sleep: Sleep,
        otherwise: Callable[[], Source],
        find: LookUp = look_up,
    ) -> None:
        self._address = address
        self._name = mask_url(address)
        self._fps = fps
        self._verify_tls = verify_tls
        self._reactor = reactor
        self._clock = clock
        self._sleep = sleep
        self._otherwise = otherwise
        self._find = find
        self._client: Client | None = None
        self._source: Source | None = None

    def open(self) -> CameraMode:
        """
        Ask for pictures, and choose how to read them by the answer's Content-Type.

        :raises SourceError: with the reason when there are none.
        """
        self.close()
        try:
            self._source = self._connected()
            return self._source.open()
        except BaseException:
            self.close()
            raise

    def read(self) -> RawFrame:
        """
        Wait for the newest picture.

        :raises SourceError: when the camera brings none.
        """
        if self._source is None:
            raise SourceError(f"{self._name} is not open")
        return self._source.read()

    def close(self) -> None:
        """Hang up at once, and wait for nothing."""
        source, self._source = self._source, None
        if source is not None:
            source.close()
        self._hang_up()

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            self._reactor.callFromThread(client.hang_up)

    def _connected(self) -> Source:
        try:
            url = Url.parse(self._address)
        except ValueError:
            raise SourceError(f"{self._name}: this is not an address") from None
        client = self._client = Client(self._reactor, trust(self._verify_tls))
        send = send_by(client, self._reactor)
        caller = Caller(url, self._name, send, self._find)
        return self._chosen(client, caller, caller.ask())

    def _chosen(self, client: Client, caller: Caller, answer: Answer) -> Source:
        name, reactor, clock = self._name, self._reactor, self._clock
        if is_picture(answer.kind):
            return PicturePolls(
                name, answer, caller, client, reactor, self._fps, clock, self._sleep
            )
        if answer.kind.lower().startswith(b"text/html"):
            reason = "it sends a web page, no pictures; is the path right?"
            raise SourceError(f"{name}: {reason}")
        try:
            parser = Parser.from_content_type(answer.kind)
        except MultipartError:
            # Many cameras take one connection only.
            self._hang_up()
            return self._otherwise()
        return PictureStream(name, answer, parser, client, reactor, clock)
