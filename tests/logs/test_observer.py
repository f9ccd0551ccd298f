"""Which events are written, in which form, and where to, by twistd's own options."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import syslog
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import Application
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, Logger, LogLevel
from zope.interface.verify import verifyObject

from camd import tap
from camd.config.settings import Settings
from camd.logs import observer as module
from camd.logs.flood import BURST
from camd.logs.lines import text_line
from camd.logs.observer import LogObserver, observer_for, place
from camd.logs.secrets import Secrets
from tests.test_tap import FakeReactor

KEY = "a-very-secret-key"

FOREGROUND = {"nodaemon": True, "logfile": None, "syslog": False, "prefix": "twisted"}
"""What twistd's options are with -n alone."""


class Sheet:
    """Where an observer under test writes."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.levels: list[LogLevel] = []
        self.clock = Clock()
        self.observer = LogObserver(
            self.write,
            text_line,
            LogLevel.info,
            Secrets([KEY]),
            self.clock.seconds,
            lambda: 1.8e9,
        )
        self.log = Logger("camd.test", observer=self.observer)

    def write(self, line: str, level: LogLevel) -> None:
        """Keep it, without its time."""
        self.lines.append(line.partition(" ")[2])
        self.levels.append(level)


@pytest.fixture
def sheet() -> Sheet:
    """An empty one."""
    return Sheet()


def test_it_observes(sheet: Sheet) -> None:
    """Twistd takes it for what it is."""
    assert verifyObject(ILogObserver, sheet.observer)


def test_levels(sheet: Sheet) -> None:
    """What is below the level is not written, and the level can change."""
    for level in ("debug", "info", "warn", "error", "critical"):
        sheet.log.emit(LogLevel.levelWithName(level), level)
    sheet.observer.level = LogLevel.error
    for level in ("debug", "info", "warn", "error", "critical"):
        sheet.log.emit(LogLevel.levelWithName(level), level)
    said = [line.partition("] ")[2] for line in sheet.lines]
    assert said == ["info", "warn", "error", "critical", "error", "critical"]
    assert [level.name for level in sheet.levels] == said


def test_an_event_without_a_level(sheet: Sheet) -> None:
    """What somebody publishes by hand is written."""
    sheet.observer({"log_format": "by hand"})
    assert sheet.lines == ["[-#info] by hand"]


def test_secrets(sheet: Sheet) -> None:
    """No key is written, unless that is the purpose of the line."""
    sheet.log.info("with {key}", key=KEY)
    sheet.log.info("open /?api_key={key}", key=KEY, log_unmasked=True)
    assert sheet.lines == [
        "[camd.test#info] with ***",
        f"[camd.test#info] open /?api_key={KEY}",
    ]


def test_a_flood(sheet: Sheet) -> None:
    """What is too much is held back, and told of afterwards."""
    for number in range(BURST + 5):
        sheet.log.warn("line {number}", number=number)
    assert len(sheet.lines) == BURST
    sheet.clock.advance(3)
    sheet.observer.tell_held()
    sheet.observer.tell_held()
    assert sheet.lines[BURST:] == [
        "[camd.test#warn] Held back 5 lines of this kind in 3 s: line <number>"
    ]


def test_debug_lines_do_not_count(sheet: Sheet) -> None:
    """What is not written anyway takes no other line's place."""
    for _ in range(100):
        sheet.log.debug("round")
    sheet.observer.tell_held()
    assert sheet.lines == []


def test_a_full_disk(sheet: Sheet, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not end the loop that tells what was held back."""
    for _ in range(BURST + 1):
        sheet.log.info("line")

    def full(line: str, level: LogLevel) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sheet.observer, "_write", full)
    sheet.observer.tell_held()


# ---- The places


def observer(twistd: dict[str, Any] | None, **said: Any) -> LogObserver | None:
    """The observer for these options of twistd's and these settings."""
    settings = Settings.model_validate({"api_keys": {"me": KEY}, **said})
    return observer_for(settings, twistd, Clock().seconds, lambda: 1.8e9, FakeReactor())


def test_in_the_foreground(monkeypatch: pytest.MonkeyPatch) -> None:
    """With -n the lines go to stdout, in the form that is set, from the level on."""
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    made = observer(FOREGROUND, log_format="json", log_level="warn")
    log = Logger("camd.test", observer=made)
    log.info("not this")
    log.warn("{key} or {what}", key=KEY, what="größer")
    (line,) = out.buffer.getvalue().splitlines()
    told = json.loads(line)
    assert (told["message"], told["level"]) == ("*** or größer", "warn")


def test_text_that_stdout_cannot_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands there as an escape, and the line is not lost."""
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    Logger("camd.test", observer=observer(FOREGROUND)).info("größer")
    assert out.buffer.getvalue().endswith(rb"gr\xf6\xdfer" + b"\n")


def test_a_log_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --logfile they go there, and SIGUSR1 begins a new file."""
    handlers: dict[int, Any] = {}
    monkeypatch.setattr(signal, "getsignal", lambda number: handlers.get(number))
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    reactor = FakeReactor()
    monkeypatch.setattr(reactor, "callFromThread", lambda call: call())
    path = tmp_path / "camd.log"
    write = place({**FOREGROUND, "nodaemon": False, "logfile": str(path)}, reactor)
    write("größer", LogLevel.info)
    handlers[signal.SIGUSR1](signal.SIGUSR1, None)
    write("later", LogLevel.info)
    assert path.read_text() == "later\n"
    assert (tmp_path / "camd.log.1").read_text() == "größer\n"


def test_a_daemon_without_a_log_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It logs to twistd.log, as every twistd."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    write = place({**FOREGROUND, "nodaemon": False}, FakeReactor())
    write("line", LogLevel.info)
    assert Path("twistd.log").read_text() == "line\n"


def test_a_log_file_is_its_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the key that was made: nobody else may read it, nor a file of before."""
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    path = tmp_path / "camd.log"
    for mode in (None, 0o644):
        if mode is not None:
            path.chmod(mode)
        place({**FOREGROUND, "nodaemon": False, "logfile": str(path)}, FakeReactor())
        assert path.stat().st_mode & 0o777 == 0o600


def test_log_files_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that were turned over so many are kept, each for its owner alone."""
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    monkeypatch.setattr(module, "ROTATE_AT", 10)
    path = tmp_path / "camd.log"
    write = place(
        {**FOREGROUND, "nodaemon": False, "logfile": str(path)}, FakeReactor()
    )
    for number in range(3 * module.KEPT):
        write(f"the line with number {number}", LogLevel.info)
    files = sorted(tmp_path.iterdir())
    assert len(files) == module.KEPT + 1
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert path.read_text() == f"the line with number {3 * module.KEPT - 1}\n"


def test_what_is_no_file_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe or /dev/null is written to, and neither turned over nor locked."""
    monkeypatch.setattr(module, "ROTATE_AT", 10)
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o644)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write = place(
        {**FOREGROUND, "nodaemon": False, "logfile": str(path)}, FakeReactor()
    )
    write("the first line", LogLevel.info)
    write("another line", LogLevel.info)
    assert os.read(reader, 100) == b"the first line\nanother line\n"
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644
    os.close(reader)


def test_a_daemon_has_no_stdout() -> None:
    """It says so at once, as twistd does."""
    with pytest.raises(SystemExit, match="Daemons cannot log to stdout"):
        place({**FOREGROUND, "nodaemon": False, "logfile": "-"}, FakeReactor())


def test_syslog(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --syslog each line has the priority of its level."""
    said: list[tuple[int, str]] = []
    opened: list[str] = []
    monkeypatch.setattr(syslog, "openlog", opened.append)
    monkeypatch.setattr(syslog, "syslog", lambda *line: said.append(line))
    write = place({**FOREGROUND, "syslog": True, "prefix": "door"}, FakeReactor())
    write("all is well", LogLevel.info)
    write("failed\n\tTraceback", LogLevel.critical)
    assert opened == ["door"]
    assert said == [
        (syslog.LOG_INFO, "all is well"),
        (syslog.LOG_CRIT, "failed"),
        (syslog.LOG_CRIT, "\tTraceback"),
    ]


@pytest.mark.parametrize(
    "twistd", [None, {"logFile": "x"}, {**FOREGROUND, "logger": object()}]
)
def test_when_somebody_else_logs(twistd: dict[str, Any] | None) -> None:
    """Where twist runs camd, or --logger names an observer, camd makes none."""
    assert observer(twistd) is None


# ---- The daemon


def test_twistd_asks_the_daemon() -> None:
    """Twistd finds the observer at the application, and takes it for its own."""
    sheet = Sheet()
    application = Application("camd")
    daemon = tap.build(Settings(), FakeReactor(), {}, sheet.observer)
    daemon.setServiceParent(application)
    assert application.getComponent(ILogObserver) is sheet.observer


def test_without_an_observer() -> None:
    """The daemon can be built without one; twistd then makes its own."""
    application = Application("camd")
    tap.build(Settings(), FakeReactor(), {}).setServiceParent(application)
    assert application.getComponent(ILogObserver, None) is None


def test_a_made_key_is_hidden() -> None:
    """The key that is made at start is one of the secrets."""
    sheet = Sheet()
    hidden: set[str] = set()
    sheet.observer.secrets.hide = hidden.update  # type: ignore
    tap.build(Settings(), FakeReactor(), {}, sheet.observer)
    (key,) = hidden
    assert len(key) >= 32


def test_it_is_told_from_time_to_time() -> None:
    """What was held back is told every ten seconds, and when the daemon ends."""
    sheet = Sheet()
    reactor = FakeReactor()
    daemon = tap.build(Settings(), reactor, {}, sheet.observer)
    daemon.startService()
    for ends in (lambda: reactor.advance(module.SUMMARIES), daemon.stopService):
        sheet.clock.advance(100)
        for _ in range(BURST + 3):
            sheet.log.info("line")
        ends()
        assert "Held back 3 lines" in sheet.lines[-1]
