"""A camera of another camd; a ``PushSource``."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed

from camd.config.masking import mask_url
from camd.formats import live
from camd.formats.jpeg import Size
from camd.formats.live import Picture
from camd.formats.rendition import Rendition, smallest
from camd.frame import Stamp
from camd.sources import Receiver, Refused, SourceError
from camd.sources.relay import address
from camd.sources.relay.connection import Entry, OriginConnection, Origins

SILENT = 1.5
"""Seconds without a byte after which the way is to blame that no picture comes: the
other camd is asked for the time after one."""


class RelayedCamera:
    """A camera with a ``camd+http://`` or ``camd+https://`` address.

    :ivar camera: its name there.
    :ivar wanted_fps: the most pictures a second that are wanted.

    :param text: the address.
    :param verify_tls: whether an https camd must have a certificate that the system
        trusts.
    """

    def __init__(self, text: str, *, verify_tls: bool, origins: Origins) -> None:
        self.wanted_fps = 0.0
        self._name = mask_url(text)
        self._origin, self.camera = address.parse(text, verify_tls)
        self._origins = origins
        self._connection: OriginConnection | None = None
        self._receiver: Receiver | None = None
        self._is_opened = False
        # What was told of the full pictures' size, and what was wanted last.
        self._size: Size | None = None
        self._was_wanted_as: Rendition | None = None

    # ---- What the receiver asks

    def start(self, receiver: Receiver, fps: float) -> None:
        """Ask for pictures, over a connection that may be there already."""
        self._receiver = receiver
        self._is_opened, self._size = False, None
        self.wanted_fps = fps
        self._connection = self._origins.connection(self._origin)
        self._connection.join(self)

    def set_rate(self, fps: float) -> None:
        """Ask for so many pictures a second from now on."""
        self.wanted_fps = fps
        if self._connection is not None:
            self._connection.want()

    def why_silent(self, seconds: float) -> SourceError:
        """Return whether the way or the camera there is to blame."""
        connection = self._connection
        if connection is None or not connection.is_open:
            why = f"{self._origin.where} has not answered yet"
        elif connection.silence > SILENT:
            why = f"nothing was heard from there for {connection.silence:.1f} s"
        else:
            entry = connection.entry(self.camera)
            state = entry.state if entry is not None else "unknown"
            why = f"the origin says that its camera is {state}"
        return self._error(f"no picture for {seconds:.1f} s; {why}")

    def stop(self) -> Deferred[None]:
        """Ask for nothing more; the connection ends where nobody else needs it."""
        self._receiver = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave(self)
        return succeed(None)

    # ---- What the connection asks and tells

    @property
    def wanted_as(self) -> Rendition | None:
        """The rendition to ask for; None for the full picture.

        There is one of each camera on a connection. So it is a smaller one where all
        viewers want that, and the smallest while nobody watches. What is shown in place
        of pictures is wanted in full: renditions of it are made here.
        """
        connection, receiver = self._connection, self._receiver
        entry = connection.entry(self.camera) if connection is not None else None
        if receiver is None or entry is None or entry.state not in ("live", "idle"):
            return None
        there = entry.renditions.values()
        wanted = list(receiver.wanted())
        if not wanted:
            return smallest(there)
        return wanted[0] if len(wanted) == 1 and wanted[0] in there else None

    def told(self, entry: Entry) -> None:
        """Tell what the other camd says of its camera."""
        if self._receiver is not None:
            self._receiver.patience(entry.patience)
            self._receiver.upstream(entry.state, entry.why)

    def heard(self) -> None:
        """Tell that the other camd is well."""
        if self._receiver is not None:
            self._receiver.heard()
            self._want()

    def came(self, picture: Picture, captured: float) -> None:
        """Hand a picture on, or what is shown there in place of one."""
        receiver = self._receiver
        stamp = Stamp.told(picture.frame, picture.timestamp)
        if receiver is None or stamp is None:
            return
        if picture.flags & live.PLACEHOLDER or not stamp.number:
            receiver.placeholder(picture.jpeg, stamp.timestamp)
            return
        rendition = size = None
        connection = self._connection
        entry = connection.entry(self.camera) if connection is not None else None
        if picture.rendition:
            if entry is None or picture.rendition not in entry.renditions:
                return  # The settings have changed there.
            rendition, size = entry.renditions[picture.rendition], entry.size
        if not self._is_opened or size not in (None, self._size):
            self._is_opened, self._size = True, size
            receiver.opened("MJPG", None, size)
        receiver.picture(picture.jpeg, captured, stamp, rendition=rendition)
        self._want()

    def _want(self) -> None:
        """Ask for another rendition where viewers have come, gone or moved."""
        connection, wanted_as = self._connection, self.wanted_as
        if connection is not None and wanted_as != self._was_wanted_as:
            self._was_wanted_as = wanted_as
            connection.want()

    def lost(self, reason: str, *, is_refusal: bool) -> None:
        """Tell why nothing more comes."""
        self._connection = None
        if self._receiver is not None:
            error = self._error(reason)
            self._receiver.failed(Refused(str(error)) if is_refusal else error)

    def _error(self, reason: str) -> SourceError:
        return SourceError(f"{self._name}: {reason}")
