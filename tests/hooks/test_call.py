"""A hook that is called: a real command, and a server of its own."""

from __future__ import annotations

import hashlib
import hmac
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from camd.hooks.call import call_hook, signature
from camd.hooks.hook import HookError
from camd.sources.program.process import GUARD, INPUT, PATIENCE
from tests.fakes_http import FakeWeb, answer
from tests.fakes_process import ProcessReactor

BODY = b'{"event": "live"}'


def test_the_signature_in_the_docs() -> None:
    """It is what the five lines in docs/operations.md compute."""
    docs = Path(__file__).parents[2] / "docs" / "operations.md"
    block = docs.read_text().partition("    import hashlib")[2].partition("\n\n")[0]
    names: dict[str, Any] = {}
    exec("import hashlib" + block.replace("\n    ", "\n"), names)
    good = signature(BODY, b"secret").decode()
    assert names["is_from_camd"](BODY, good, "secret")
    assert not names["is_from_camd"](BODY, good, "another")


# ---- Commands


@pytest.fixture
def spawner() -> Iterator[ProcessReactor]:
    """A reactor that has no call left in the end."""
    reactor = ProcessReactor()
    yield reactor
    assert not reactor.getDelayedCalls()


def run(
    spawner: ProcessReactor, command: str = "notify --door 'a b'"
) -> Deferred[None]:
    """Call a command."""
    return call_hook(command, BODY, "live", None, spawner)


def outcome(called: Deferred[None]) -> str:
    """What it failed with; empty for nothing."""
    failed: list[Failure] = []
    called.addErrback(failed.append)
    assert called.called
    return failed[0].getErrorMessage() if failed else ""


def test_a_command(spawner: ProcessReactor) -> None:
    """It is run under the guard, and gets the event on its standard input."""
    called = run(spawner)
    guarded = [sys.executable, "-I", "-S", str(GUARD), "--input"]
    assert spawner.spawned[0][2] == [*guarded, "notify", "--door", "a b"]
    assert spawner.process.written == {INPUT: BODY}
    assert spawner.process.calls == [f"closeChildFD {INPUT}"]
    spawner.end()
    assert outcome(called) == ""


def test_a_command_that_fails(spawner: ProcessReactor) -> None:
    """Its status and its last words are told."""
    called = run(spawner)
    spawner.protocol.errReceived(b"one\nno such door\n")
    spawner.end(status=3)
    assert outcome(called) == "notify: it ended with status 3: no such door"


def test_a_command_that_cannot_be_started(spawner: ProcessReactor) -> None:
    """The system says why."""
    spawner.trouble = OSError(24, "Too many open files")
    assert outcome(run(spawner)) == "notify: too many open files"


def test_a_command_that_is_given_up(spawner: ProcessReactor) -> None:
    """The guard ends it; if that does not help, the guard is killed."""
    called = run(spawner)
    called.addErrback(lambda _: None)
    called.cancel()
    assert spawner.process.calls[1:] == ["closeStdin"]
    spawner.advance(PATIENCE)
    assert spawner.process.calls[2:] == ["KILL", "loseConnection"]
    spawner.end(signal=9)


# ---- Addresses


def post(
    web: FakeWeb, target: str = "http://127.0.0.1/hook", secret: bytes | None = None
) -> Deferred[None]:
    """Call an address, and let the server answer."""
    called = call_hook(target, BODY, "live", secret, web)
    for _ in range(5):
        web.advance(0.1)
    return called


OK = answer("Content-Length: 0", code=204)


def test_an_address() -> None:
    """It gets a POST with the event."""
    web = FakeWeb(OK)
    assert outcome(post(web, "http://user:pa%20ss@127.0.0.1:81/hook?a=b")) == ""
    sent = web.wire.value() + b"".join(map(str.encode, web.requests))
    assert sent.startswith((b"POST /hook?a=b HTTP/1.1", BODY))
    assert b"Content-Type: application/json" in sent
    assert b"X-Camd-Event: live" in sent
    assert b"Authorization: Basic dXNlcjpwYSBzcw==" in sent
    assert b"X-Camd-Signature" not in sent
    assert web.hosts == ["127.0.0.1 81"]


def test_a_signed_post() -> None:
    """The signature is over the body alone."""
    web = FakeWeb(OK)
    assert outcome(post(web, secret=b"secret")) == ""
    expected = hmac.new(b"secret", BODY, hashlib.sha256).hexdigest()
    assert f"X-Camd-Signature: sha256={expected}" in web.requests[0]


@pytest.mark.parametrize("code", [302, 404, 500])
def test_another_answer(code: int) -> None:
    """It is a failure, a redirect, too."""
    web = FakeWeb(answer("Content-Length: 0", "Location: /", code=code))
    assert outcome(post(web)) == f"127.0.0.1 answers {code}"


@pytest.mark.parametrize("target", ["http://127.0.0.1:99999/", "http://a..b/"])
def test_what_is_no_address(target: str) -> None:
    """It is a failure, and no fault of camd."""
    assert outcome(post(FakeWeb(OK), target)) == "this is not an address"


def test_an_address_that_is_given_up() -> None:
    """The connection is closed."""
    web = FakeWeb(b"")
    called = post(web)
    called.addErrback(lambda failure: failure.trap(Exception))
    called.cancel()
    web.advance(0.1)
    assert web.wire.cut


def test_what_has_failed_is_a_hook() -> None:
    """The kind of error is one that is logged in a line."""
    web = FakeWeb(answer("Content-Length: 0", code=500))
    failed: list[Failure] = []
    post(web).addErrback(failed.append)
    assert failed[0].check(HookError)


def test_words_are_split_as_by_a_shell(spawner: ProcessReactor) -> None:
    """No shell sees them."""
    words = ["sh", "-c", "echo '$HOME'; exit 1"]
    run(spawner, shlex.join(words))
    assert spawner.spawned[0][2][-3:] == words
