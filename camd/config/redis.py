"""The address of a Redis or Valkey server, as the settings have it.

There are four schemes. ``redis://`` and ``rediss://`` (TLS) name the server;
``redis+sentinel://`` and ``rediss+sentinel://`` name its Sentinels, and in the path the
name that they know it by:

    redis://USER:PASSWORD@HOST:6379/DATABASE
    redis+sentinel://USER:PASSWORD@HOST1:26379,HOST2:26379/NAME/DATABASE

The number of the database may be left out for 0. As the source of one camera, the
camera's name stands behind all that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from camd.config.names import CAMERA_NAME

SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel")
"""What such an address begins with."""

PORT, SENTINEL_PORT = 6379, 26379
"""The ports of Redis and of its Sentinel, where none is given."""

_ADDRESS = re.compile(
    r"(?P<scheme>rediss?(?:\+sentinel)?)://"
    r"(?:(?P<user>[^/?#:@]*)(?::(?P<password>[^/?#@]*))?@)?"
    r"(?P<hosts>[^/?#@]+)(?P<path>(?:/[^/?#]*)*)"
)
_HOST = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?"
)


@dataclass(frozen=True)
class RedisAddress:
    """Where a Redis server is, and who asks.

    :ivar hosts: host and port of the server, or of each of its Sentinels.
    :ivar service: what the Sentinels call the server; empty without Sentinels.
    :ivar database: its number.
    :ivar is_tls: whether the connection is encrypted.
    :ivar user: of its access list; empty for the default user.
    :ivar password: empty for none.
    :ivar camera: the camera that is meant; empty where none is.
    """

    hosts: tuple[tuple[str, int], ...]
    service: str = ""
    database: int = 0
    is_tls: bool = False
    user: str = ""
    password: str = ""
    camera: str = ""

    @classmethod
    def parse(cls, text: str, *, camera: bool = False) -> RedisAddress:
        """Read an address.

        :param camera: whether a camera's name stands at its end.
        :raises ValueError: with the fault, in words that follow the address.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise ValueError("is no address of a Redis server")
        scheme = found["scheme"]
        has_sentinels = scheme.endswith("+sentinel")
        path = [unquote(part) for part in found["path"].split("/")[1:]]
        if path and not path[-1]:
            path.pop()
        name = path.pop() if camera and path else ""
        is_number = name.isdecimal() and not path[has_sentinels:]
        if camera and (is_number or not CAMERA_NAME.fullmatch(name)):
            # Behind its database's number, a camera may have a number for a name.
            raise ValueError("names no camera at its end")
        service = path.pop(0) if has_sentinels and path else ""
        if has_sentinels and not service:
            raise ValueError("does not say what its Sentinels call the server")
        database = path.pop(0) if path else "0"
        if path or not database.isdecimal() or len(database) > 5:
            raise ValueError("has a path that is no number of a database")
        usual = SENTINEL_PORT if has_sentinels else PORT
        hosts = tuple(_host(part, usual) for part in found["hosts"].split(","))
        if len(hosts) > 1 and not has_sentinels:
            raise ValueError("names more than one server")
        user, password = found["user"] or "", found["password"]
        if password is None and user:
            # As Redis' own tools read it: a password alone.
            user, password = "", user
        return cls(
            hosts,
            service,
            int(database),
            scheme.startswith("rediss"),
            unquote(user),
            unquote(password or ""),
            name,
        )

    def __str__(self) -> str:
        """Return it as it may be shown: without user, password and camera."""
        secure, sentinel = "s" * self.is_tls, "+sentinel" * bool(self.service)
        hosts = ",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            for host, port in self.hosts
        )
        service = f"/{self.service}" if self.service else ""
        return f"redis{secure}{sentinel}://{hosts}{service}/{self.database}"

    def __repr__(self) -> str:
        return f"<RedisAddress {self}>"


def is_redis(source: str) -> bool:
    """Whether a source is a camera of a Redis server."""
    return source.partition("://")[0].lower() in SCHEMES and "://" in source


def _host(text: str, usual: int) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    port = int(found["port"] or usual) if found else 0
    if found is None or not 0 < port < 65536:
        raise ValueError("has a host that is none")
    return found["host"].strip("[]"), port


def source_of(server: str, camera: str) -> str:
    """Return the source of one camera of a server.

    :param server: an address without a camera.
    """
    address = RedisAddress.parse(server)
    parts = 1 + bool(address.service)
    has_database = len(server.rstrip("/").split("://")[1].split("/")) > parts
    return f"{server.rstrip('/')}{'' if has_database else '/0'}/{camera}"
