"""A camera that is asked over HTTP: a stream of JPEGs, or one JPEG again and again.

They are passed on as they come, on the reactor. Whatever else is at the address is left
to another source, which is pulled.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from camd.config.masking import origin_of
from camd.formats.multipart import Part
from camd.frame import FAR_FUTURE, Stamp
from camd.periodic import cancel
from camd.sources import Clock, Receiver, Source, SourceError
from camd.sources.http.body import Body, Content
from camd.sources.http.client import ANSWER, Answer, Client
from camd.sources.http.names import LookUp, Names, look_up
from camd.sources.http.tls import trust
from camd.sources.http.url import Url

ODD = 10
"""Parts that are no pictures, with no picture among them, until that is the reason to
hang up. Some cameras send text between their pictures."""

_JPEG = b"image/jpeg"

SLOW = 0.5
"""Seconds that one picture takes from which on they are a camera's interval."""


class HttpCamera:
    """A camera with an ``http://`` or ``https://`` address; a ``PushSource``.

    It has one connection at a time. The stream of another camd is told by its headers:
    its pictures keep the age that they have there, and what it repeats or shows in
    place of a picture is none.

    :param fps: the most requests a second, where each brings one picture.
    :param verify_tls: whether an https camera must have a certificate that the system
        trusts.
    :param otherwise: makes the source for what is neither a stream of JPEGs nor a JPEG;
        it is given the address behind all redirects.
    :param timeout: seconds for each answer.
    :param find: looks host names up.
    :param wall: returns Unix seconds.
    """

    _log = Logger()

    def __init__(
        self,
        address: str,
        fps: float,
        *,
        verify_tls: bool,
        reactor: Any,
        otherwise: Callable[[str], Source],
        timeout: float = ANSWER,
        find: LookUp = look_up,
        wall: Clock = time.time,
    ) -> None:
        self._address = address
        self._name = origin_of(address)
        self._fps = self._wanted_fps = fps
        self._verify_tls = verify_tls
        self._reactor = reactor
        self._otherwise = otherwise
        self._timeout = timeout
        self._names = Names(reactor, find)
        self._wall = wall
        self._receiver: Receiver | None = None
        self._client: Client | None = None
        self._answer: Answer | None = None
        self._body: Body | None = None
        self._poll: IDelayedCall | None = None
        self._asked_at = 0.0
        self._is_opened = False
        self._odd = 0
        self._came = ""
        # Unix time by the clock of another camd, less the reactor's; None where it does
        # not tell: then both machines' clocks must be right.
        self._ahead: float | None = None
        # The state of its camera, where it is another camd and has told one.
        self._told = ""
        self._remarks: set[str] = set()

    # ---- What the receiver asks

    def start(self, receiver: Receiver, fps: float) -> None:
        """Ask for pictures, and choose how to read them by what comes."""
        self._receiver = receiver
        self._wanted_fps = fps
        self._is_opened = False
        self._odd, self._came = 0, "it has not answered yet"
        self._told = ""
        try:
            url = Url.parse(self._address)
        except ValueError:
            self._fail("this is not an address")
            return
        self._names.forget()
        self._client = Client(
            url,
            self._name,
            self._names,
            self._reactor,
            trust(self._verify_tls),
            self._timeout,
        )
        self._ask()

    def set_rate(self, fps: float) -> None:
        """Ask so often from now on, where each request brings one picture."""
        self._wanted_fps = fps
        if self._poll is not None and self._poll.active():
            self._poll.reset(self._wait())

    def why_silent(self, seconds: float) -> SourceError:
        """Return the error to tell when no picture has come for so long."""
        came = f"; {self._came}" if self._came else ""
        return self._error(f"no picture for {seconds:.1f} s{came}")

    def stop(self) -> Deferred[None]:
        """Hang up at once, and wait for nothing."""
        self._receiver = None
        if self._body is not None:
            self._body.consumer = None
        client, self._client = self._client, None
        self._body = self._answer = None
        cancel(self._poll)
        self._poll = None
        if client is not None:
            client.hang_up()
        return succeed(None)

    # ---- Asking

    def _ask(self) -> None:
        client = self._client
        if client is None:
            return
        self._asked_at = self._reactor.seconds()
        asked = client.ask()
        asked.addCallbacks(self._answered, self._refused, callbackArgs=(client,))
        asked.addErrback(self._broke)

    def _answered(self, answer: Answer, client: Client) -> None:
        if client is not self._client:
            return
        self._came = "it answers, but sends no picture"
        self._answer = answer
        # A camd tells the time by which its pictures are dated. It was no earlier than
        # the request.
        clock = _number(answer.header(b"X-Clock"))
        self._ahead = None if clock is None else clock - client.sent_at
        self._body = Body(answer.kind, self)
        answer.response.deliverBody(self._body)
        client.divert(self._body.receive)

    def _refused(self, failure: Failure) -> None:
        receiver = self._receiver
        # Hung up on while it was asked, it has failed for that.
        if receiver is not None:
            failure.trap(SourceError)
            receiver.failed(SourceError(failure.getErrorMessage()))

    def _broke(self, failure: Failure) -> None:
        if self._receiver is not None:
            self._log.failure(
                "Camera at {name} cannot be asked", failure, name=self._name
            )
            self._fail("it cannot be asked")

    def _wait(self) -> float:
        """Return the seconds until the next picture may be asked for."""
        interval = 1 / min(self._fps, self._wanted_fps)
        left: float = self._asked_at + interval - self._reactor.seconds()
        return max(0.0, left)

    # ---- What its body holds

    def got_parts(self, parts: Sequence[Part]) -> None:
        """Hand the newest picture on."""
        receiver = self._receiver
        if receiver is None:
            return
        newest, stamp = None, None
        for part in parts:
            headers = part.headers
            number, told = headers.get(b"x-frame"), None
            if number is not None:  # It is another camd's.
                told = Stamp.told(number, headers.get(b"x-timestamp", b""))
            is_plain = (
                headers.get(b"content-type", _JPEG) == _JPEG
                and part.body
                and (told is None or told.number)
            )
            if is_plain or self._is_picture(part, told):
                newest, stamp = part, told
        if newest is not None and self._receiver is not None:
            self._came = ""
            if not self._is_opened:
                self._is_opened = True
                receiver.opened("MJPG")
            if stamp is not None and self._told != "live":
                self._told = "live"
                receiver.upstream("live", None)
            captured = (
                self._reactor.seconds() if stamp is None else self._captured(stamp)
            )
            receiver.picture(newest.body, captured, stamp)

    def _is_picture(self, part: Part, stamp: Stamp | None) -> bool:
        """Whether a part that is labelled otherwise is a picture, and a new one."""
        headers, receiver = part.headers, self._receiver
        kind = headers.get(b"content-type", _JPEG)
        if not part.body or receiver is None:
            return False
        if kind != _JPEG and not (kind := kind.lower()).startswith(b"image/"):
            self._odd += 1
            self._came = f"it sends {_shown(kind)}, not JPEG"
            if not self._is_opened and (
                self._odd >= ODD or kind.startswith((b"video/", b"audio/"))
            ):
                self._fail(self._came)
            return False
        if stamp is not None and not stamp.number:
            # Another camd shows it in place of a picture.
            state = _shown(headers.get(b"x-camera-state", b""))
            self._came = f"its camera is {state}"
            self._told = state
            receiver.upstream(state, None)
            receiver.placeholder(part.body, stamp.timestamp)
            return False
        return True

    def _captured(self, stamp: Stamp) -> float:
        """Return when another camd's picture was taken, on the reactor's clock."""
        now: float = self._reactor.seconds()
        ahead = self._wall() - now if self._ahead is None else self._ahead
        return min(now, stamp.timestamp - ahead)

    def remarked(self, remark: str) -> None:
        """Log that the stream is not as it was announced, once."""
        if remark not in self._remarks and len(self._remarks) < 8:
            self._remarks.add(remark)
            self._log.info("Camera at {name}: {remark}", name=self._name, remark=remark)

    def got_picture(self, picture: bytes) -> None:
        """Hand the picture on, and plan to ask for the next one."""
        receiver, answer = self._receiver, self._answer
        if receiver is None or answer is None:
            return
        self._poll = self._reactor.callLater(self._wait(), self._ask)
        self._came, self._body = "", None
        if not self._is_opened:
            self._is_opened = True
            took = self._reactor.seconds() - self._asked_at
            receiver.opened("JPEG", 1 / took if took > SLOW else None)
        # A snapshot of another camd.
        stamp = Stamp.told(answer.header(b"X-Frame"), answer.header(b"X-Timestamp"))
        if stamp is None:
            receiver.picture(picture, self._reactor.seconds())
            return
        state = answer.header(b"X-Camera-State")
        receiver.upstream(_shown(state.encode()), None)
        if stamp.number:
            receiver.picture(picture, self._captured(stamp), stamp)
        else:
            receiver.placeholder(picture, stamp.timestamp)

    def got_other(self, content: Content) -> None:
        """Leave it to another source, unless that could do no better."""
        receiver, answer = self._receiver, self._answer
        if receiver is None or answer is None:
            return
        if self._is_opened:
            self._fail("it sends no picture any more")
        elif content is Content.PAGE:
            self._fail("it sends a web page, no pictures; is the path right?")
        else:
            url = Url.parse(self._address)
            address = self._address
            if answer.url.target != url.target or answer.url.origin != url.origin:
                is_same = answer.url.origin == url.origin
                address = answer.url.with_login(url.login if is_same else None)
            otherwise = self._otherwise
            receiver.fall_back(lambda: otherwise(address))

    def broke_off(self, reason: str) -> None:
        """Say why no more pictures come."""
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        if self._receiver is not None:
            self._receiver.failed(self._error(reason))

    def _error(self, reason: str) -> SourceError:
        return SourceError(f"{self._name}: {reason}")


def _number(text: str) -> float | None:
    """Return the number that a header holds; None where it holds none."""
    with contextlib.suppress(ValueError):
        number = float(text)
        return number if 0 <= number < FAR_FUTURE else None
    return None


def _shown(text: bytes) -> str:
    """Return what a camera wrote as a line of the log can hold it."""
    return ascii(text[:60].decode("latin-1"))[1:-1]
