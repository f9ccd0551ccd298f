"""Real proxies in front of the daemon, each in the foreground, as it is configured.

The recommended configurations are the files in ``deploy/``, which are what users get;
of them only ports and time-outs are replaced (:data:`RECOMMENDED`). The default ones
are the least that works, with an idle time-out of 3 s where there is one
(:data:`DEFAULT`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

DEPLOY = Path(__file__).parents[1] / "deploy"

IDLE = 3
"""Seconds of silence after which every proxy here gives a connection up."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one proxy runs.

    :ivar folder: for its files; nobody else's.
    :ivar port: the port of 127.0.0.1 on which it listens.
    """

    folder: Path
    port: int

    def write(self, name: str, text: str) -> str:
        """Write a file, and give its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)


Program = Callable[[Place, str], list[str]]
"""Writes what the proxy reads, around its configuration, and gives the command."""


def nginx(place: Place, site: str) -> list[str]:
    """Have the site included, as in Debian, and all files in the proxy's folder."""
    place.write("site.conf", site)
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "\n".join(f"{name}_temp_path {name};" for name in temporary)
    whole = f"""
        daemon off;
        user root;
        pid nginx.pid;
        error_log stderr;
        events {{}}
        http {{
            access_log access.log;
            {folders}
            include site.conf;
        }}
    """
    return ["nginx", "-p", str(place.folder), "-c", place.write("nginx.conf", whole)]


def haproxy(place: Place, text: str) -> list[str]:
    """Have it run as it is."""
    return ["haproxy", "-db", "-f", place.write("haproxy.cfg", text)]


def caddy(place: Place, site: str) -> list[str]:
    """Have no other port than the site's."""
    options = "{\n admin off\n default_bind 127.0.0.1\n}\n"
    path = place.write("Caddyfile", options + site)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", path]


def apache(place: Place, site: str) -> list[str]:
    """Have the site included behind the modules that a2enmod would put there."""
    modules = ("mpm_event", "authz_core", "env", "filter", "deflate", "proxy")
    loaded = "\n".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
        for name in (*modules, "proxy_http")
    )
    whole = f"""
        {loaded}
        ServerRoot {place.folder}
        DefaultRuntimeDir {place.folder}
        PidFile apache.pid
        ErrorLog /dev/stderr
        CustomLog access.log "%h %r"
        User nobody
        Group nogroup
        ServerName 127.0.0.1
        Listen 127.0.0.1:{place.port}
        {site}
    """
    config = place.write("apache.conf", whole)
    return ["apache2", "-D", "FOREGROUND", "-f", config]


def varnish(place: Place, text: str, send_timeout: int = 600) -> list[str]:
    """Have its idle time-outs, which stand on its command line.

    :param send_timeout: seconds that a whole response may take; Varnish's default.
    """
    timeouts = {
        "pipe_timeout": IDLE,
        "between_bytes_timeout": IDLE,
        "send_timeout": send_timeout,
    }
    settings = [w for name in timeouts for w in ("-p", f"{name}={timeouts[name]}")]
    vcl = place.write("site.vcl", text)
    where = ["-a", f"127.0.0.1:{place.port}", "-n", str(place.folder / "work")]
    # By name it would not be found where there is no /etc/hosts.
    where += ["-T", "127.0.0.1:0"]
    # Without a jail it runs as whoever starts the tests.
    return [
        "varnishd",
        "-j",
        "none",
        "-F",
        "-s",
        "malloc,8m",
        "-f",
        vcl,
        *where,
        *settings,
    ]


@dataclass(frozen=True, slots=True)
class Setup:
    """A proxy and its configuration.

    :ivar text: the configuration; ``PORT`` stands for the port to listen on, and
        ``CAMD`` for the daemon's.
    """

    program: Program
    text: str

    def having(self, old: str, new: str) -> Setup:
        """Return the same with other words.

        :raises AssertionError: when the words to replace are not there any more.
        """
        assert old in self.text, f"{old!r} is not in:\n{self.text}"
        return replace(self, text=self.text.replace(old, new))


def deployed(program: Program, name: str, *words: tuple[str, str]) -> Setup:
    """Return a file of ``deploy/`` with words replaced, each of which must be there."""
    setup = Setup(program, (DEPLOY / name).read_text())
    for old, new in words:
        setup = setup.having(old, new)
    return setup


_CAMD = ("127.0.0.1:8001", "127.0.0.1:CAMD")
_SECONDS = ("60s", f"{IDLE}s")

RECOMMENDED = {
    "nginx": deployed(
        nginx, "nginx.conf", ("listen 80", "listen 127.0.0.1:PORT"), _CAMD, _SECONDS
    ),
    "haproxy": deployed(
        haproxy, "haproxy.cfg", ("bind :80", "bind 127.0.0.1:PORT"), _CAMD, _SECONDS
    ),
    "caddy": deployed(
        caddy, "Caddyfile", ("robot.example", "http://127.0.0.1:PORT"), _CAMD, _SECONDS
    ),
    "apache": deployed(
        apache,
        "apache.conf",
        ("*:80", "127.0.0.1:PORT"),
        _CAMD,
        ("timeout=60", f"timeout={IDLE}"),
    ),
    "varnish": deployed(varnish, "varnish.vcl", ('"8001"', '"CAMD"')),
}
"""By the proxy's name, what ``deploy/`` has."""

PROXY_PROTOCOL = (
    RECOMMENDED["haproxy"]
    .having("    option forwardfor\n", "")
    .having("    server camd 127.0.0.1:CAMD\n", "")
    .having("    #server camd", "    server camd")
)
"""The other way that ``deploy/haproxy.cfg`` tells of."""

DEFAULT = {
    "nginx": Setup(
        nginx,
        f"""
        server {{
            listen 127.0.0.1:PORT;
            location / {{
                proxy_pass http://127.0.0.1:CAMD;
                proxy_read_timeout {IDLE}s;
            }}
        }}
        """,
    ),
    "haproxy": Setup(
        haproxy,
        f"""
        defaults
            mode http
            timeout connect {IDLE}s
            timeout client {IDLE}s
            timeout server {IDLE}s
        listen camd
            bind 127.0.0.1:PORT
            server camd 127.0.0.1:CAMD
        """.replace("\n        ", "\n"),
    ),
    "caddy": Setup(
        caddy, "http://127.0.0.1:PORT {\n reverse_proxy 127.0.0.1:CAMD\n}\n"
    ),
    "apache": Setup(apache, f"Timeout {IDLE}\nProxyPass / http://127.0.0.1:CAMD/\n"),
    "varnish": Setup(
        varnish,
        'vcl 4.1;\nbackend camd { .host = "127.0.0.1"; .port = "CAMD"; }\n',
    ),
}
"""By the proxy's name, the least that works."""

UPGRADING = {
    "nginx": DEFAULT["nginx"].having(
        "proxy_pass",
        """proxy_http_version 1.1;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection upgrade;
                proxy_pass""",
    ),
    "haproxy": DEFAULT["haproxy"],
    # It goes by the name that it is asked for, which a link's far end changes.
    "caddy": DEFAULT["caddy"].having("http://127.0.0.1:PORT", "http://:PORT"),
    "apache": DEFAULT["apache"].having("CAMD/", "CAMD/ upgrade=websocket"),
    "varnish": DEFAULT["varnish"].having(
        "vcl 4.1;\n",
        """vcl 4.1;
        sub vcl_recv {
            if (req.http.Upgrade) { return (pipe); }
        }
        sub vcl_pipe {
            set bereq.http.Upgrade = req.http.Upgrade;
            set bereq.http.Connection = req.http.Connection;
        }
        """,
    ),
}
"""By the proxy's name, the least that lets a WebSocket through."""
