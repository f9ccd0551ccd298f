"""What a fleet is made of: the programs on the machines, started, killed, watched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleet.network import Network

KEY = "a-key-for-the-fleet-1234"
"""The key of all edges and origins."""

PORT, CAMERA_PORT, REDIS_PORT = 8001, 8100, 6379

REDIS_PASSWORD = "swordfish/4711"
"""It has a letter that must be percent-encoded in an address."""

HAPROXY = Path(__file__).parents[1] / "deploy" / "haproxy-fleet.cfg"
"""What the balancer goes by, but for the addresses of the edges."""


def balancing(edges: Mapping[str, str]) -> str:
    """Return the balancer's settings for these edges.

    :param edges: name -> address. Answers say which one it was, for the viewers.
    """
    text = HAPROXY.read_text().replace("bind :80\n", f"bind :{PORT}\n")
    text, _, _ = text.partition("    server-template ")
    servers = [
        f"    server {name} {address}:{PORT}\n" for name, address in edges.items()
    ]
    return "".join((text, "    http-response set-header X-Edge %s\n", *servers))


def own_cameras(names: Sequence[str]) -> dict[str, Any]:
    """Return the settings of cameras that stand beside a camd."""
    return {name: {"source": f"http://127.0.0.1:{CAMERA_PORT}/"} for name in names}


class Program:
    """A program on a machine, which can be killed and started again."""

    def __init__(
        self, network: Network, machine: str, command: Sequence[str], folder: Path
    ) -> None:
        self.machine = machine
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log"
        self._command = [*network.enter(machine), *command]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("CAMD_")}
        env |= {"STATE_DIRECTORY": str(self._folder / "state")}
        env |= {"REDIS_PASSWORD": REDIS_PASSWORD}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def cpu(self) -> float:
        """Return the seconds of processor that it has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Crowd:
    """The viewers' process, and what it reports."""

    def __init__(
        self, network: Network, host: str, viewers: int, paths: Sequence[str]
    ) -> None:
        words = [host, str(PORT), KEY, str(viewers), *paths]
        self.viewers = viewers
        self.reports: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [*network.enter("viewers"), sys.executable, "-m", "fleet.crowd", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.reports.append(json.loads(line))

    def mark(self, name: str) -> float:
        """Count who sees a picture that was taken from now on; return the moment."""
        assert self._process.stdin is not None
        now = time.time()
        self._process.stdin.write(name + "\n")
        self._process.stdin.flush()
        return now

    def since(self, moment: float) -> list[dict[str, Any]]:
        """Return the reports since then."""
        return [r for r in self.reports if r["time"] > moment]

    def seen_after(
        self, name: str, share: float = 0.99, within: float = 20
    ) -> float | None:
        """Return the seconds from a mark until so many have seen a new picture.

        None if they have not within that time.
        """
        began = self.mark(name)
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            for report in self.since(began):
                if report["mark"] == name and report["seen"] >= share * self.viewers:
                    return float(report["time"] - began)
            time.sleep(0.05)
        return None

    def ages(self, seconds: float) -> list[float]:
        """Watch for so long; return the ages of the pictures, in order."""
        began = time.time()
        time.sleep(seconds)
        return sorted(age for r in self.since(began) for age in r["ages"])

    def total(self, what: str) -> int:
        """Return how often something has happened; ``frames`` are new pictures."""
        return sum(
            report["frames"] if what == "frames" else report["counts"].get(what, 0)
            for report in self.reports
        )

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(5)


class Fleet:
    """The programs of a fleet, by name.

    :ivar network: the machines.
    :ivar programs: what runs, or could.
    """

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.programs: dict[str, Program] = {}
        self._folder = folder

    def add(self, name: str, machine: str, command: Sequence[str]) -> Program:
        """Start a program on a machine."""
        program = Program(self.network, machine, command, self._folder / name)
        self.programs[name] = program
        program.start()
        return program

    def camera(self, machine: str, fps: float = 15, size: int = 40_000) -> None:
        """Start cameras on a machine; each connection to them is one."""
        words = ["127.0.0.1", str(CAMERA_PORT), f"{fps:g}", str(size)]
        root = str(Path(__file__).parents[1])
        code = f"import sys; sys.path.insert(0, {root!r}); sys.argv[1:] = {words!r};"
        code += "import runpy; runpy.run_module('fleet.camera', run_name='__main__')"
        self.add(f"{machine}-camera", machine, [sys.executable, "-c", code])

    def redis(self) -> Program:
        """Start Redis with a user that may do what camd's may, as the docs have it."""
        address = self.network.addresses["core"]
        commands = "auth select ping time role xadd xread pexpire hset hget hmget"
        commands += " hgetall hdel"
        user = f"user camd on >{REDIS_PASSWORD} resetkeys ~camd:* resetchannels"
        rights = " ".join(f"+{command}" for command in commands.split())
        folder = self._folder / "redis"
        folder.mkdir(parents=True)
        (folder / "redis.conf").write_text(
            f'bind {address}\nport {REDIS_PORT}\nsave ""\nappendonly no\n'
            f"user default off\n{user} nocommands {rights}\n"
        )
        return self.add("redis", "core", ["redis-server", str(folder / "redis.conf")])

    @property
    def server(self) -> str:
        """The address of Redis, as settings have it."""
        host = self.network.addresses["core"]
        return f"redis://camd:${{REDIS_PASSWORD}}@{host}:{REDIS_PORT}/0"

    def origin(self, machine: str, cameras: Sequence[str]) -> Program:
        """Start a camd that publishes cameras."""
        own = own_cameras(cameras)
        return self.camd(machine, {"publish": self.server, "cameras": own})

    def edge(self, machine: str) -> Program:
        """Start a camd that shows what is published."""
        given = {
            "cameras_from": self.server,
            "signing_key": "s" * 32,
            # So that viewers see a placeholder before the trouble is over.
            "offline_after": 3,
        }
        return self.camd(machine, given)

    def cameras_of(self, machine: str, names: Sequence[str]) -> dict[str, Any]:
        """Return the settings of cameras that come from another machine's camd."""
        origin = f"camd+http://{KEY}@{self.network.addresses[machine]}:{PORT}"
        return {name: {"source": f"{origin}/{name}"} for name in names}

    def camd(self, machine: str, settings: Mapping[str, Any]) -> Program:
        """Start a camd, which lets in whoever has :data:`KEY`."""
        folder = self._folder / machine
        folder.mkdir(parents=True, exist_ok=True)
        given: dict[str, Any] = {"listen": f"tcp:{PORT}", "api_keys": {"fleet": KEY}}
        given |= {"max_viewers_per_address": 0, **settings}
        (folder / "camd.yaml").write_text(json.dumps(given))
        twistd = str(Path(sys.executable).parent / "twistd")
        command = [twistd, "-n", "--pidfile=", "camd", "-c", "camd.yaml"]
        return self.add(machine, machine, command)

    def balancer(self, edges: Sequence[str]) -> None:
        """Start HAProxy in front of the edges."""
        folder = self._folder / "lb"
        folder.mkdir(parents=True)
        config = folder / "haproxy.cfg"
        addresses = {edge: self.network.addresses[edge] for edge in edges}
        config.write_text(balancing(addresses))
        self.add("lb", "lb", ["/usr/sbin/haproxy", "-db", "-f", str(config)])

    def ask(self, machine: str, path: str) -> Any:
        """Ask a camd, from its own machine; return its JSON, None for no answer."""
        host = self.network.addresses[machine]
        done = subprocess.run(
            [
                *self.network.enter(machine),
                *("curl", "-s", "-m", "2", "-H", f"X-API-Key: {KEY}"),
                f"http://{host}:{PORT}{path}",
            ],
            capture_output=True,
            check=False,
        )
        try:
            return json.loads(done.stdout)
        except ValueError:
            return None

    def states(self, machine: str) -> dict[str, str]:
        """Return what the cameras of a camd do; empty for no answer."""
        said = self.ask(machine, "/readyz") or {}
        found: dict[str, str] = said.get("cameras", {})
        return found

    def stop(self) -> None:
        """End all programs, those first that others wait for."""
        for program in reversed(list(self.programs.values())):
            program.kill()


def wait(
    true: Callable[[], bool],
    what: str,
    seconds: float = 30,
    program: Program | None = None,
) -> float:
    """Wait for something; return the seconds that it took.

    :param program: whose last words are told when it does not come true.
    """
    began = time.monotonic()
    while not true():
        if time.monotonic() - began >= seconds:
            last = program.log.read_text()[-2000:] if program is not None else ""
            raise AssertionError(f"{what}: not within {seconds:g} s\n{last}")
        time.sleep(0.1)
    return time.monotonic() - began


@contextmanager
def fleet(network: Network, folder: Path) -> Iterator[Fleet]:
    """Have a fleet on these machines, and end its programs at the end."""
    made = Fleet(network, folder)
    try:
        yield made
    finally:
        made.stop()
