"""The settings of the daemon as typed values: every key, its default, its limits.

Nothing here reads a file or the environment; :mod:`camd.config` does that and fills
these models. They are frozen, and building one from wrong values raises pydantic's
``ValidationError``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from camd.config.checks import (
    FRAME_ANCESTOR,
    HOST,
    ORIGIN,
    TITLE,
    Expected,
    is_control,
    is_control_value,
    is_free,
    is_hook,
    is_key,
    is_name,
    is_network,
    is_overlay,
    is_picture,
    is_redis_address,
    is_rendition,
    is_right,
    is_signing_key,
    is_source,
    is_title,
    lower_case,
    nothing_as_empty,
    number_as_text,
    off_or_sane,
    text_as_tuple,
)
from camd.config.masking import hook_of, mask_url
from camd.formats.jpeg import MAX_BYTES, MAX_PIXELS

LogFormat = Literal["text", "json"]
LogLevelName = Literal["debug", "info", "warn", "error"]
CameraFormat = Literal["auto", "mjpeg", "raw"]
ResourcePolicy = Literal["same-origin", "same-site", "cross-origin"]
PresetName = Literal["cloudflare", "lan", "hd", "mobile"]
"""For a CDN or tunnel, the house, sharp pictures, phones on the way."""

Rotation = Literal[0, 90, 180, 270]
"""Degrees, clockwise."""

Flip = Literal["none", "horizontal", "vertical", "both"]
"""Left and right swapped, top and bottom swapped, both."""

Controls = Annotated[
    Mapping[
        Annotated[str, AfterValidator(is_control)],
        Annotated[int | bool | str, PlainValidator(is_control_value)],
    ],
    BeforeValidator(nothing_as_empty),
    Expected(
        "names as camd cameras lists them, and for each a number, true, false"
        " or a word of its menu"
    ),
]
"""V4L2 control -> value."""


_ANY_CASE = BeforeValidator(lower_case)


def _preset(
    stream_fps: int, jpeg_quality: int, size: tuple[int, int], heartbeat: int
) -> Mapping[str, int]:
    return MappingProxyType(
        {
            "stream_fps": stream_fps,
            "jpeg_quality": jpeg_quality,
            "camera_width": size[0],
            "camera_height": size[1],
            "heartbeat_interval": heartbeat,
            "stream_buffer_size": 2,
            "stream_timeout": 30,
        }
    )


PRESETS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "cloudflare": _preset(15, 70, (640, 480), 5),
        "lan": _preset(30, 85, (640, 480), 10),
        "hd": _preset(20, 90, (1280, 720), 5),
        "mobile": _preset(10, 60, (480, 360), 5),
    }
)
"""Preset -> key -> value. A preset is weaker than the file and the environment."""


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        # pydantic's own, in Rust, keeps 0.4 MB for our six expressions.
        regex_engine="python-re",
    )


class CloudflareTeam(_Frozen):
    """One application of one team behind Cloudflare Access."""

    team_domain: Annotated[str, Field(pattern=HOST, max_length=260)]
    """Such as ``example.cloudflareaccess.com``."""
    audience: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,200}\Z")]
    """The application's "AUD tag"."""

    def __str__(self) -> str:
        return self.team_domain


class StreamSettings(_Frozen):
    """The keys that may stand at the top, for all cameras, and under one camera.

    Durations are in seconds, rates in frames a second, sizes in pixels. A number that
    is whole is held as an int, so that 15 never turns into 15.0 on its way to the
    statistics.
    """

    camera_width: Annotated[int, Field(ge=16, le=8192)] = 640
    """Width that the camera is asked for. What it really gives is read back."""
    camera_height: Annotated[int, Field(ge=16, le=8192)] = 480
    """Height that the camera is asked for."""
    camera_fps: Annotated[float, Field(ge=0.1, le=240)] = 30
    """Rate that the camera is asked for."""
    camera_format: Annotated[
        CameraFormat, BeforeValidator(lower_case), Expected("auto, mjpeg or raw")
    ] = "auto"
    """What a device is to give: its own JPEGs, pixels, or ``auto``, as it can."""
    camera_timeout: Annotated[float, Field(ge=0.2, le=60)] = 2
    """Time without a picture until the camera counts as stalled."""
    offline_picture: Annotated[
        str,
        AfterValidator(is_picture),
        Expected("placeholder, hold, close, or the path of a JPEG file (.jpg)"),
    ] = "placeholder"
    """What viewers see of a silent camera when :attr:`offline_after` is over."""
    offline_after: Annotated[float, Field(ge=0, le=3600)] = 10
    """Time for which a camera's last picture is held before that."""
    camera_controls: Controls = Field(default_factory=dict)
    """V4L2 control -> value, set whenever a device of this machine is opened."""
    rotate: Annotated[Rotation, Expected("0, 90, 180 or 270")] = 0
    """Degrees by which pictures are turned, clockwise."""
    flip: Annotated[
        Flip,
        BeforeValidator(lower_case),
        Expected("none, horizontal, vertical or both"),
    ] = "none"
    """How pictures are mirrored, after they are turned."""
    overlay: Annotated[
        str,
        AfterValidator(is_overlay),
        Expected(
            "text in ASCII with {camera} and letters of strftime such as %H:%M:%S,"
            " or nothing"
        ),
    ] = ""
    """What is written into each picture; empty for nothing."""
    max_pixels: Annotated[int, Field(ge=100_000, le=1_000_000_000)] = MAX_PIXELS
    """Pixels of the largest picture that is taken from a camera."""
    max_frame_bytes: Annotated[int, Field(ge=10_000, le=268_435_456)] = MAX_BYTES
    """Bytes of the largest picture that may be pushed."""
    camera_verify_tls: Annotated[bool, Expected("true or false")] = True
    """False: an ``https://`` camera may show any certificate."""
    stream_fps: Annotated[float, Field(ge=0.1, le=240)] = 15
    """The most frames a second that a viewer gets."""
    drop_identical: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Of so many frames in a row with the same bytes, one is sent; 0: all of them."""
    idle_fps: Annotated[float, Field(ge=0, le=10)] = 1
    """Looks at the camera a second while nobody watches; 0: it is released then."""
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 70
    """JPEG quality, for pictures that camd itself encodes."""
    renditions: Annotated[
        tuple[Annotated[str, AfterValidator(is_rendition)], ...],
        BeforeValidator(text_as_tuple),
        Field(max_length=4),
        Expected("up to 4 of the form 1/2@60, a share of the size and a JPEG quality"),
    ] = ("1/2@90", "1/2@65", "1/2@20", "1/4@35")
    """What pictures are scaled to for viewers that want less; empty: for nobody.

    The default: what looks best for 20, 10, 5 and 2.5 KB (measured, performance.md)."""
    auto_fps: Annotated[float, Field(ge=0.1, le=240)] = 8
    """Pictures a second that a rendition which follows the link is to keep up."""
    stream_buffer_size: Annotated[int, Field(ge=1, le=8)] = 2
    """Frames held for one viewer: the one being sent and, from 2 on, the newest one."""
    stream_timeout: Annotated[float, Field(ge=0.1, le=3600)] = 30
    """Time without any progress until a viewer is let go."""
    max_frame_age: Annotated[float, Field(ge=0, le=3600)] = 0
    """A frame older than this is not sent any more; 0: however old."""
    heartbeat_interval: Annotated[
        float,
        Field(ge=0, le=3600),
        AfterValidator(off_or_sane),
        Expected("0 for none, or a number from 0.1 to 3600"),
    ] = 5
    """Time without a byte to a viewer until the last frame is sent again; 0: never."""
    on_event: Annotated[
        str,
        AfterValidator(is_hook),
        Expected("a command, an address such as https://example.com/camd, or nothing"),
    ] = ""
    """What is called when a camera's state changes, or its first viewer comes."""
    max_viewers_per_camera: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Viewers of one camera at once; 0: as many as there may be in all."""
    tcp_congestion: Annotated[
        str,
        Field(max_length=15, pattern=r"^[a-z0-9_-]*\Z"),
        Expected("the name of a kernel algorithm such as bbr, or nothing"),
    ] = ""
    """The kernel's congestion control for viewers; empty: its own choice."""
    enable_frame_cache: Annotated[bool, Expected("true or false")] = True
    """False: each viewer captures and encodes for itself, to compare."""

    @field_validator("*", mode="after")
    @classmethod
    def _whole_as_int(cls, value: Any) -> Any:
        is_whole = isinstance(value, float) and value.is_integer()
        return int(value) if is_whole else value


class CameraSettings(StreamSettings):
    """One camera, with every key resolved. Its ``repr`` shows no password."""

    name: Annotated[
        str,
        AfterValidator(is_name),
        AfterValidator(is_free),
        Expected(
            "a name of 1 to 64 letters, digits, - and _, as it stands in the URL"
            " (not cameras, live, qr, session or sign)"
        ),
    ]
    """The name, as it stands in the address ``/api/NAME/stream``."""
    source: Annotated[
        str,
        BeforeValidator(number_as_text),
        AfterValidator(is_source),
        Expected(
            "pattern, a device such as /dev/video0, a file, a folder, rpicam,"
            " exec:COMMAND, push, rtsp://..., http://..., camd+http://... or"
            " redis://.../CAMERA"
        ),
    ] = "pattern"
    """What the pictures come from; see docs/cameras.md."""
    title: Annotated[str, AfterValidator(is_title), Expected(TITLE)] = ""
    """What people read in place of the name; empty for the name."""

    @property
    def label(self) -> str:
        """What people are told that the camera is called."""
        return self.title or self.name

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for key, value in super().__repr_args__():
            masked = {"source": mask_url, "on_event": hook_of}.get(key or "")
            yield key, masked(value) if masked else value


NO_CAMERA = {"name": "robot", "title": "Test picture: no camera is set"}
"""The camera of settings that name none: its title says so wherever a person reads."""


def _default_cameras() -> Mapping[str, CameraSettings]:
    return {"robot": CameraSettings.model_validate(NO_CAMERA)}


RedisServer = Annotated[
    str,
    AfterValidator(is_redis_address),
    Expected(
        "redis://HOST:6379/0 or rediss://USER:PASSWORD@HOST:6379/0, with Sentinels"
        " redis+sentinel://HOST1,HOST2/NAME/0, or nothing"
    ),
]
"""The address of a Redis or Valkey server."""


class Settings(StreamSettings):
    """The settings in force.

    The stream's keys at this level are the general ones; each camera in ``cameras``
    has all of them resolved, and what is built for a camera looks only there.
    """

    listen: Annotated[
        tuple[str, ...],
        BeforeValidator(text_as_tuple),
        Field(min_length=1),
        Expected(
            "an endpoint of kind tcp, unix, ssl, tls, systemd or haproxy, such as"
            " tcp:8001:interface=127.0.0.1, or a list of them"
        ),
    ] = ("tcp:8001:interface=127.0.0.1",)
    """Twisted endpoint strings, one per port or socket."""
    api_keys: Annotated[
        Mapping[
            Annotated[str, AfterValidator(is_name)],
            Annotated[SecretStr, AfterValidator(is_key)],
        ],
        Expected("names, and a key for each"),
    ] = Field(default_factory=dict)
    """Name -> key. Empty: one is made at start."""
    api_rights: Annotated[
        Mapping[
            str,
            Annotated[
                tuple[Annotated[str, AfterValidator(is_right)], ...],
                BeforeValidator(text_as_tuple),
            ],
        ],
        Expected(
            "names of api_keys, and for each some of view, stats, control, sign and"
            " push"
        ),
    ] = Field(default_factory=dict)
    """Name of a key -> what it is for; a key that is not there is for all."""
    signing_key: Annotated[
        Annotated[SecretStr, AfterValidator(is_signing_key), AfterValidator(is_key)]
        | None,
        Expected("a random text of 32 to 200 characters, or null"),
    ] = None
    """What links and cookies are sealed with; None: one that camd makes and keeps."""
    on_event_secret: Annotated[
        Annotated[SecretStr, AfterValidator(is_key)] | None,
        Expected("a random text of 16 or more characters, or null"),
    ] = None
    """What the POSTs of ``on_event`` are signed with; None for nothing."""
    cloudflare_access: Annotated[
        CloudflareTeam | None,
        Expected(
            "team_domain, such as example.cloudflareaccess.com, and audience,"
            " the application's AUD tag"
        ),
    ] = None
    """Whose signature on requests is believed; None for nobody's."""
    base_path: Annotated[
        str,
        Field(pattern=r"^(/[A-Za-z0-9._~-]+)*\Z", max_length=200),
        Expected("a path such as /cam, without a slash at its end, or nothing"),
    ] = ""
    """The path that a proxy leaves in front of every address; empty for none."""
    trusted_proxies: Annotated[
        tuple[Annotated[str, AfterValidator(is_network)], ...],
        BeforeValidator(text_as_tuple),
        Expected("addresses and networks such as 127.0.0.1 and 10.0.0.0/8, or unix"),
    ] = ()
    """Who is believed about the client's address; ``unix``: all UNIX sockets."""
    drain_seconds: Annotated[float, Field(ge=0, le=60)] = 2
    """Time for each stream's last part when the daemon ends."""
    cors_origins: Annotated[
        tuple[Annotated[str, Field(pattern=ORIGIN)], ...],
        BeforeValidator(text_as_tuple),
        Expected('origins such as https://robot.example, or "*" for all'),
    ] = ()
    """The sites whose pages' scripts may read what is answered."""
    cross_origin_resource_policy: Annotated[
        ResourcePolicy, Expected("same-origin, same-site or cross-origin")
    ] = "same-origin"
    """The sites whose pages may show what has no key and no link in its address."""
    frame_ancestors: Annotated[
        tuple[Annotated[str, Field(pattern=FRAME_ANCESTOR)], ...],
        BeforeValidator(text_as_tuple),
        Field(min_length=1),
        Expected("'self', 'none', or origins such as https://robot.example"),
    ] = ("'self'",)
    """The sites whose pages may show camd's page in a frame."""
    page_title: Annotated[
        str, AfterValidator(is_title), Field(min_length=1), Expected(TITLE)
    ] = "camd"
    """What the page is called."""
    max_viewers: Annotated[int, Field(ge=1, le=100_000)] = 2000
    """Viewers of all cameras at once."""
    max_viewers_per_address: Annotated[int, Field(ge=0, le=100_000)] = 100
    """Viewers from one address, other than this machine's own; 0: no limit."""
    max_connections: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Connections at once; 0: four fifths of the files that may be open."""
    encode_threads: Annotated[int, Field(ge=1, le=64)] = 2
    """Threads that scale pictures, for all cameras."""
    log_format: Annotated[
        LogFormat, BeforeValidator(lower_case), Expected("text or json")
    ] = "text"
    """The form of the log's lines."""
    log_level: Annotated[
        LogLevelName,
        BeforeValidator(lower_case),
        Expected("debug, info, warn or error"),
    ] = "info"
    """What is less important is not logged."""
    preset: Annotated[
        PresetName,
        BeforeValidator(lower_case),
        Expected("cloudflare, lan, hd or mobile"),
    ] = "cloudflare"
    """The set of values that holds where nothing else is said."""
    publish: RedisServer = ""
    """The Redis server that pictures are published to; empty for none."""
    cameras_from: RedisServer = ""
    """The Redis server whose cameras are shown, all that are there; empty for none."""
    cameras: Annotated[
        Mapping[str, CameraSettings],
        Expected("names of cameras, and beneath each its keys"),
    ] = Field(default_factory=_default_cameras)
    """Name -> camera, in the order of the file; may be empty with ``cameras_from``."""

    @field_validator("cameras", mode="after")
    @classmethod
    def _some_camera(cls, cameras: Any, given: ValidationInfo) -> Any:
        if not cameras and not given.data.get("cameras_from"):
            raise PydanticCustomError("too_short", "is empty")
        return cameras

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for key, value in super().__repr_args__():
            is_server = key in ("publish", "cameras_from")
            yield key, mask_url(value) if is_server else value


STREAM_KEYS = tuple(StreamSettings.model_fields)
"""The keys that hold for all cameras or for one."""
CAMERA_KEYS = (*STREAM_KEYS, "source", "title")
"""The keys that may stand under one camera."""
KEYS = tuple(Settings.model_fields)
"""The keys that may stand at the top."""


def expected(key: str) -> str:
    """Return what the key takes, in words such as "a number from 0.1 to 240".

    :param key: a name of :data:`KEYS` or :data:`CAMERA_KEYS`, or ``name``.
    """
    fields = {**CameraSettings.model_fields, **Settings.model_fields}
    field = fields[key]
    for note in field.metadata:
        if isinstance(note, Expected):
            return note.words
    low = next(note.ge for note in field.metadata if hasattr(note, "ge"))
    high = next(note.le for note in field.metadata if hasattr(note, "le"))
    kind = "whole number" if field.annotation is int else "number"
    return f"a {kind} from {low} to {high}"
