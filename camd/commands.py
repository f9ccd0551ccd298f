"""What the ``camd`` command does: run, init, check, sign, cameras, watch."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import distribution
from pathlib import Path

from camd import watch
from camd.config import ConfigError, Loaded, load
from camd.config.masking import MASK, hook_of, mask_url
from camd.config.settings import CAMERA_KEYS, KEYS, Settings, StreamSettings
from camd.listening.endpoints import address_of
from camd.process.state import NoState, kept_key
from camd.rights import Right
from camd.sources.program.listing import PiCamera, pi_cameras
from camd.sources.v4l2.discovery import Census, census
from camd.sources.v4l2.listing import in_data, in_words
from camd.web.access.keys import keys_of
from camd.web.access.links import Links, duration, link_path

DISTRIBUTION = "camd-server"
"""The name that pip knows camd by. ``camd`` there is another project."""

DEFAULT_FILE = Path("camd.yaml")
"""The settings file where no other is named; in the current folder."""


def run(options: Namespace, environ: Mapping[str, str]) -> int:
    """Run the command that the options name; return its exit status.

    What is wrong with the settings is printed on stderr, and 1 is returned.
    """
    commands = {
        "run": _run,
        "init": _init,
        "check": _check,
        "sign": _sign,
        "cameras": _cameras,
        "watch": _watch,
    }
    try:
        return commands[options.command](options, environ)
    except ConfigError as error:
        for problem in error.problems:
            print(f"camd: {problem}", file=sys.stderr)
        return 1


def _run(options: Namespace, environ: Mapping[str, str]) -> int:
    from twisted.scripts.twistd import run

    file = [] if options.config is None else ["--config", str(options.config)]
    sys.argv[1:] = ["--nodaemon", "--pidfile=", "camd", *file]
    run()
    return 0


def _init(options: Namespace, environ: Mapping[str, str]) -> int:
    write_settings(options.file)
    print(f"Wrote {options.file}. Set your camera's source in it, then: camd run")
    return 0


def write_settings(path: Path) -> None:
    """Write the settings file that comes with camd, for its owner to read alone.

    :raises ConfigError: there is a file already, or it cannot be written.
    """
    text = shipped(DEFAULT_FILE.name).read_bytes()
    try:
        # Keys will stand in it.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        what = "is there already; expected the name of a new file"
        raise ConfigError([f"init: {path} {what}"]) from None
    except OSError as error:
        raise ConfigError([f"init: {path}: {error.strerror}"]) from None
    with open(handle, "wb") as file:
        file.write(text)


def shipped(name: str) -> Path:
    """Return the path of a file that comes with camd beside its modules.

    :raises ConfigError: it is not there.
    """
    checkout = Path(__file__).parents[1] / name
    if checkout.exists():
        return checkout
    for file in distribution(DISTRIBUTION).files or ():
        if file.name == name:
            return Path(str(file.locate()))
    raise ConfigError([f"{name} is missing from the installation of {DISTRIBUTION}"])


def _file(options: Namespace) -> Path | None:
    path: Path | None = options.config
    return DEFAULT_FILE if path is None and DEFAULT_FILE.exists() else path


def _check(options: Namespace, environ: Mapping[str, str]) -> int:
    path = _file(options)
    loaded = load(path, environ)
    if path is None:
        print(f"# There is no {DEFAULT_FILE} here: these are the defaults.")
    print("\n".join(report(loaded)))
    for warning in loaded.warnings:
        print(f"camd: {warning}", file=sys.stderr)
    return 0


def _sign(options: Namespace, environ: Mapping[str, str]) -> int:
    settings = load(_file(options), environ).settings
    kept = partial(kept_key, environ)
    print(signed(settings, options.path, options.time, options.key, time.time, kept))
    return 0


def signed(
    settings: Settings,
    target: str,
    how_long: str,
    key: str | None,
    wall: Callable[[], float],
    own_signing_key: Callable[[], bytes],
) -> str:
    """Make a link as the running daemon would, with the first address it listens on.

    Where it listens on none that a browser could open, such as a UNIX socket, the link
    is the path alone, for the address of the proxy in front.

    :param target: ``NAME/stream``, or another of a camera's addresses.
    :param how_long: such as ``1h``.
    :param wall: returns Unix seconds.
    :param key: the name of the key; None for the first that may sign.
    :param own_signing_key: returns what the daemon seals with where the settings do
        not say; raises :exc:`~camd.process.state.NoState`.
    :raises ConfigError: the settings or the words do not do for it.
    """
    try:
        path, camera = link_path(target)
        seconds = duration(how_long)
    except ValueError as error:
        raise ConfigError([f"sign: {error}"]) from None
    if camera not in settings.cameras:
        raise ConfigError([f"sign: there is no camera {camera} in the settings"])
    signer = _signer(settings, key)
    try:
        own = None if settings.signing_key else own_signing_key()
    except NoState as error:
        raise ConfigError(
            [
                f"sign: the daemon's signing key cannot be read: {error}; expected "
                "signing_key in the settings, or STATE_DIRECTORY as the daemon has it"
            ]
        ) from None
    link = Links(keys_of(settings, None, own), wall).sign(signer, path, seconds)
    addresses = map(address_of, settings.listen)
    address = next((a for a in addresses if a.startswith("http")), "")
    return address + settings.base_path + link


def _signer(settings: Settings, name: str | None) -> str:
    """Return the name of a key that may sign: this one, or the first."""
    every = [right.value for right in Right]
    may = [
        key
        for key in settings.api_keys
        if Right.SIGN.value in settings.api_rights.get(key, every)
    ]
    if name is None and may:
        return may[0]
    if name in may:
        return str(name)
    which = "no key" if name is None else f"{name} is no key that"
    raise ConfigError([f"sign: {which} may sign; expected one in api_keys"])


def _cameras(options: Namespace, environ: Mapping[str, str]) -> int:
    return list_cameras(census(), options.json, pi_cameras())


def list_cameras(found: Census, as_json: bool, modules: Sequence[PiCamera] = ()) -> int:
    """Print the cameras, and on stderr what is wrong; 1 when there is no camera.

    :param modules: a Raspberry Pi's own, which V4L2 does not know.
    """
    any_found = bool(found.cameras or modules)
    if as_json:
        devices = [in_data(camera) for camera in found.cameras]
        print(json.dumps([*devices, *map(asdict, modules)], indent=2))
    elif any_found:
        described = [in_words(camera) for camera in found.cameras]
        described += [module.in_words() for module in modules]
        print("\n\n".join(map("\n".join, described)))
    nothing = () if any_found else ("there is no camera on this machine",)
    for problem in found.problems or nothing:
        print(f"camd: {problem}", file=sys.stderr)
    return 0 if any_found else 1


_WIDEST = max(map(len, (*KEYS, *(f"  {key}" for key in CAMERA_KEYS))))


def report(loaded: Loaded) -> Iterator[str]:
    """Yield the settings in force as ``key = value  # origin``, secrets masked."""
    settings, origins = loaded.settings, loaded.origins
    keys = sorted(set(KEYS) - {"cameras"}, key=_order)
    yield from _aligned(
        "", [(key, _shown(settings, key), origins[key]) for key in keys]
    )
    for name, camera in settings.cameras.items():
        yield ""
        yield f"cameras.{name}"
        keys = sorted(CAMERA_KEYS, key=_order)
        rows = [
            (key, _shown(camera, key), origins[f"cameras.{name}.{key}"]) for key in keys
        ]
        yield from _aligned("  ", rows)


def _order(key: str) -> tuple[bool, int]:
    """Return where a key stands: those of each daemon and camera, then the stream's."""
    return key in StreamSettings.model_fields, (*KEYS, *CAMERA_KEYS).index(key)


def _shown(settings: StreamSettings, key: str) -> str:
    value = getattr(settings, key)
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{n}: {_masked(v)}" for n, v in value.items()) or "none"
    if isinstance(value, tuple):
        return ", ".join(map(mask_url, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    if key == "on_event":
        return hook_of(str(value)) or '""'
    return mask_url(str(value)) or '""'


def _masked(value: object) -> str:
    """Return what a key is for, or a control's value; nothing of a key itself."""
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | str) else MASK


def _aligned(indent: str, rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    # 24: one long address should not push all the origins out of sight.
    width = max(24, *(len(value) for _, value, _ in rows if len(value) <= 40))
    for key, value, origin in rows:
        yield f"{indent}{key:{_WIDEST - len(indent)}} = {value:{width}}  # {origin}"


def _watch(options: Namespace, environ: Mapping[str, str]) -> int:
    wanted = {
        name: value
        for name in ("auto", "width", "fps")
        if (value := getattr(options, name)) is not None
    }
    times = {"--for": options.time, "--settle": options.settle}
    found = {"--for": math.inf, "--settle": 0.0}
    for name, text in times.items():
        try:
            found[name] = duration(text) if text else found[name]
        except ValueError as error:
            print(f"camd: {name}: {error}", file=sys.stderr)
            return 2
    if found["--settle"] >= found["--for"]:
        print("camd: --settle: expected less than --for", file=sys.stderr)
        return 2
    return watch.run(
        options.url,
        key=environ.get("CAMD_API_KEY", ""),
        stream=options.stream,
        seconds=found["--for"],
        settle=found["--settle"],
        max_age=options.max_age,
        as_json=options.json,
        wanted=wanted,
    )
