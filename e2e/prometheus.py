"""A real Prometheus that scrapes a daemon once a second and answers queries."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from e2e.daemon import Daemon
from e2e.waiting import PATIENCE, until

DEPLOY = Path(__file__).parents[1] / "deploy"


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A Prometheus that runs.

    :ivar origin: its address without a path.
    """

    origin: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression has now, as the API tells them."""
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def value(self, expression: str) -> float | None:
        """Return the value of an expression with one series; None while it has none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def rules(self) -> list[dict[str, Any]]:
        """Return the alert rules, with what came of each."""
        (group,) = self._get("rules")["groups"]
        rules: list[dict[str, Any]] = group["rules"]
        return rules

    def _get(self, what: str, **arguments: str) -> dict[str, Any]:
        address = f"{self.origin}/api/v1/{what}?{urlencode(arguments)}"
        with urlopen(address, timeout=PATIENCE) as answer:
            told = json.load(answer)
        assert told["status"] == "success", told
        data: dict[str, Any] = told["data"]
        return data


@contextmanager
def prometheus(folder: Path, daemon: Daemon, key: str) -> Iterator[Prometheus]:
    """Start one with deploy/prometheus.yml, made to ask this daemon each second.

    :param folder: where its settings, its data and its log go.
    :param key: the key it sends.
    """
    _configure(folder, daemon, key)
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        # The system picks the port, and the log says which.
        "--web.listen-address=127.0.0.1:0",
    ]
    log = folder / "prometheus.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as process,
    ):
        try:
            address = until(lambda: _address(process, log), "Prometheus listens")
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()


def _configure(folder: Path, daemon: Daemon, key: str) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    config["global"] = {"evaluation_interval": "1s"}
    config["rule_files"] = [str(DEPLOY / name) for name in config["rule_files"]]
    job["scrape_interval"] = job["scrape_timeout"] = "1s"
    job["authorization"] = {"credentials_file": str(folder / "key")}
    job["static_configs"] = [{"targets": [f"127.0.0.1:{daemon.port}"]}]
    # With the line's end that an editor leaves.
    (folder / "key").write_text(f"{key}\n")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))


def _address(process: subprocess.Popen[bytes], log: Path) -> str | None:
    text = log.read_text()
    assert process.poll() is None, f"Prometheus has ended:\n{text}"
    ready = "Server is ready to receive web requests" in text
    found = re.search(r'msg="Listening on" address=(\S+)', text)
    return found[1] if found and ready else None
