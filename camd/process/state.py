"""What outlives a run of the daemon: the key that it seals links and cookies with."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from twisted.logger import Logger

SIGNING_KEY = "signing_key"
"""The name of the file."""

LENGTH = 32
"""Bytes of the key: as many as those of the digest (RFC 2104 3)."""

_log = Logger()


class NoState(Exception):
    """There is nothing kept, or no place to keep it; the words say why."""


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder for what is kept, be it there or not.

    It is ``STATE_DIRECTORY``, which systemd sets for ``StateDirectory=``; else that of
    the XDG base directory specification.

    :raises NoState: nothing in the environment says where that is.
    """
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    if given := environ.get("XDG_STATE_HOME"):
        return Path(given, "camd")
    if home := environ.get("HOME"):
        return Path(home, ".local", "state", "camd")
    raise NoState("neither STATE_DIRECTORY nor HOME is set")


def kept_key(environ: Mapping[str, str]) -> bytes:
    """Return the signing key that a daemon of this user has made and kept.

    :raises NoState: there is none that can be read.
    """
    path = state_folder(environ) / SIGNING_KEY
    try:
        found = bytes.fromhex(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        raise NoState(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if len(found) != LENGTH:
        raise NoState(f"{path}: expected {2 * LENGTH} hexadecimal digits")
    return found


def kept_or_new_key(environ: Mapping[str, str]) -> bytes:
    """Return the signing key that is kept, or make one and keep it.

    Its owner alone may read it. One that cannot be kept is good for this run, and the
    log says so.
    """
    try:
        return kept_key(environ)
    except NoState:
        made = secrets.token_bytes(LENGTH)
    try:
        _keep(state_folder(environ) / SIGNING_KEY, made)
        # Another daemon may have been quicker.
        return kept_key(environ)
    except (OSError, NoState) as error:
        _log.warn(
            "The signing key cannot be kept, so that links and sessions end with this "
            "run: {error}; expected a STATE_DIRECTORY, or signing_key in the settings",
            error=error,
        )
        return made


def _keep(path: Path, key: bytes) -> None:
    """Write the file, all of it or nothing, unless there is one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Of mode 0600 from the beginning.
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(key.hex())
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(name)
