"""An address such as ``camd+https://KEY@origin.example/robot``, taken apart."""

from __future__ import annotations

from dataclasses import dataclass, field

from camd.config.source import CAMD_SCHEMES
from camd.sources.http.url import Url


@dataclass(frozen=True, slots=True)
class Origin:
    """A camd that pictures come from. The ``repr`` shows no key.

    :ivar url: its live channel.
    :ivar key: what opens it; empty for none.
    :ivar verify_tls: whether its certificate must be one that the system trusts.
    """

    url: Url
    key: str = field(repr=False)
    verify_tls: bool

    @property
    def where(self) -> str:
        """Host and port, as people read them."""
        return f"{self.url.host} port {self.url.port}"

    @property
    def host(self) -> str:
        """What the Host header of a request names."""
        url = self.url
        host = f"[{url.host}]" if ":" in url.host else url.host
        usual = 443 if url.scheme == "https" else 80
        return host if url.port == usual else f"{host}:{url.port}"


def parse(text: str, verify_tls: bool) -> tuple[Origin, str]:
    """Return which camd an address names, and which of its cameras.

    :param text: the last segment of its path is the camera's name, what stands ahead
        of it the ``base_path`` there. The key stands ahead of the host: as the password
        behind any user name, or alone.
    :raises ValueError: when it is no such address; the text says why.
    """
    scheme, _, rest = text.partition("://")
    if scheme not in CAMD_SCHEMES:
        raise ValueError("this is not an address")
    url = Url.parse(f"{scheme.removeprefix('camd+')}://{rest}")
    if "?" in url.target:
        raise ValueError("this address takes no query: the full picture is relayed")
    base, _, name = url.target.rpartition("/")
    if not name:
        raise ValueError("this address names no camera; expected its name at the end")
    login = url.login
    key = "" if login is None else login.password or login.user
    if not key.isascii():
        raise ValueError("a key is ASCII")
    channel = Url(url.scheme, url.host, url.port, f"{base}/api/live", None)
    return Origin(channel, key, verify_tls), name
