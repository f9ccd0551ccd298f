"""Redirects are followed and logins proved, and no password goes astray."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from twisted.internet.error import ConnectionRefusedError

from camd.sources import SourceError
from camd.sources.http.caller import REDIRECTS, Caller
from camd.sources.http.client import Answer
from camd.sources.http.url import Url

BASIC = 'Basic realm="cam"'
DIGEST = 'Digest realm="cam", nonce="n1", qop="auth"'


def reply(code: int = 200, *login: str, location: str = "") -> Answer:
    """An answer of a camera."""
    return Answer(code, b"image/jpeg", location, login, cast(Any, None))


class Rig:
    """
    A caller whose camera gives answers in turn, the last one for ever.

    :ivar sent: address and proof of each request.
    :ivar looked_up: the hosts whose addresses were asked for.
    """

    def __init__(self, address: str, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, bytes | None]] = []
        self.looked_up: list[str] = []
        url = Url.parse(address)
        self.caller = Caller(url, "cam", self._send, self._find, lambda: "cnonce")

    def _send(self, url: Url, addresses: Sequence[str], proof: bytes | None) -> Answer:
        assert addresses == [f"address of {url.host}"]
        self.sent.append((url.bare, proof))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _find(self, host: str, port: int) -> Sequence[str]:
        self.looked_up.append(host)
        if host == "nowhere":
            raise OSError
        return [f"address of {host}"]

    def trouble(self) -> str:
        """Why there is no answer."""
        with pytest.raises(SourceError) as caught:
            self.caller.ask()
        return str(caught.value)

    @property
    def proofs(self) -> list[bytes | None]:
        """What was sent as Authorization, request by request."""
        return [proof for _, proof in self.sent]


def test_at_once() -> None:
    """An answer 200 is handed out, and nothing was told of the login."""
    rig = Rig("http://me:secret@cam/", reply())
    assert rig.caller.ask().code == 200
    assert rig.sent == [("http://cam:80/", None)]


def test_basic() -> None:
    """The password is sent when it is asked for, and from then on."""
    rig = Rig("http://me:secret@cam/", reply(401, BASIC), reply())
    rig.caller.ask()
    rig.caller.ask()
    proof = b"Basic bWU6c2VjcmV0"
    assert rig.proofs == [None, proof, proof]


def test_digest_counts_on() -> None:
    """The camera's nonce is used again for the next picture."""
    rig = Rig("http://me:secret@cam/", reply(401, DIGEST), reply())
    rig.caller.ask()
    rig.caller.ask()
    _, first, second = rig.proofs
    assert first is not None
    assert second is not None
    assert b"nc=00000001" in first
    assert b"nc=00000002" in second


def test_a_nonce_that_ran_out() -> None:
    """With a new nonce all is well again, whether the camera calls it stale or not."""
    rig = Rig(
        "http://me:secret@cam/",
        *(reply(401, DIGEST), reply()),
        *(reply(401, DIGEST.replace("n1", "n2")), reply()),
    )
    rig.caller.ask()
    rig.caller.ask()
    assert [b'nonce="n2"' in (proof or b"") for proof in rig.proofs] == [
        *(False, False, False, True)
    ]


def test_stale_at_once() -> None:
    """A nonce that is stale when it is used first is replaced once more."""
    stale = reply(401, DIGEST.replace("n1", "n2") + ", stale=true")
    rig = Rig("http://me:secret@cam/", reply(401, DIGEST), stale, reply())
    assert rig.caller.ask().code == 200


def test_stale_for_ever() -> None:
    """A camera to which every nonce is stale is given up."""
    rig = Rig("http://me:secret@cam/", reply(401, DIGEST + ", stale=true"))
    assert rig.trouble() == "cam: it refuses this user and password"
    assert len(rig.sent) == 3


@pytest.mark.parametrize("asked", [BASIC, DIGEST])
def test_a_wrong_password_is_sent_once(asked: str) -> None:
    """Cameras lock people out who try a wrong password often."""
    rig = Rig("http://me:secret@cam/", reply(401, asked))
    assert rig.trouble() == "cam: it refuses this user and password"
    assert len(rig.sent) == 2


def test_no_password() -> None:
    """Where the address names nobody, that is what is missing."""
    rig = Rig("http://cam/", reply(401, BASIC))
    assert rig.trouble() == "cam: it asks for a user and password"


def test_a_login_that_is_not_known() -> None:
    """What camd cannot answer is not answered by telling the password."""
    rig = Rig("http://me:secret@cam/", reply(401, "NTLM"))
    assert rig.trouble() == "cam: it asks for a kind of login that camd does not know"
    assert rig.proofs == [None]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects(code: int) -> None:
    """A redirect is followed."""
    rig = Rig("http://cam/a/b", reply(code, location="c"), reply())
    assert rig.caller.ask().code == 200
    assert [bare for bare, _ in rig.sent] == ["http://cam:80/a/b", "http://cam:80/a/c"]


def test_a_redirect_to_nowhere() -> None:
    """A redirect that does not say where to is an answer like others."""
    assert Rig("http://cam/", reply(302)).trouble() == "cam: it answers 302 Found"


def test_redirects_without_end() -> None:
    """A circle is left after a few rounds."""
    rig = Rig("http://cam/", reply(302, location="/"))
    assert rig.trouble() == f"cam: it redirects more than {REDIRECTS} times"
    assert len(rig.sent) == REDIRECTS + 1 == 6


@pytest.mark.parametrize(
    "there", ["http://other/", "http://cam:81/", "https://cam/", "//other/"]
)
def test_the_password_goes_nowhere_else(there: str) -> None:
    """Another host, port or scheme never sees it, even if it asks."""
    rig = Rig(
        "http://me:secret@cam/",
        *(reply(401, BASIC), reply(302, location=there), reply(401, BASIC)),
    )
    assert "which asks for a user and password; give that address" in rig.trouble()
    assert rig.proofs == [None, b"Basic bWU6c2VjcmV0", None]


def test_the_password_within_the_origin() -> None:
    """A redirect on the same camera is no reason to be asked again."""
    rig = Rig(
        "http://me:secret@cam/",
        *(reply(401, BASIC), reply(302, location="/live"), reply()),
    )
    rig.caller.ask()
    assert rig.sent[-1] == ("http://cam:80/live", b"Basic bWU6c2VjcmV0")


def test_no_way_down_from_https() -> None:
    """What was meant to be encrypted stays so."""
    rig = Rig("https://cam/", reply(302, location="http://cam/"))
    assert rig.trouble() == "cam: it redirects from https to http"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "rtsp://cam/", "http://[x"])
def test_redirects_to_what_is_no_http(location: str) -> None:
    """A camera cannot have camd open something else."""
    rig = Rig("http://cam/", reply(302, location=location))
    assert rig.trouble() == "cam: it redirects to something that is not http"


def test_names_are_looked_up_once() -> None:
    """A host's addresses are kept for as long as the camera is open."""
    rig = Rig("http://cam/", reply())
    rig.caller.ask()
    rig.caller.ask()
    assert rig.looked_up == ["cam"]


def test_a_name_that_is_not_known() -> None:
    """A name without address is said so."""
    rig = Rig("http://nowhere/", reply())
    assert rig.trouble() == "cam: there is no host of the name nowhere"


def test_a_request_that_fails() -> None:
    """What a request failed with is said in words."""
    rig = Rig("http://cam/", ConnectionRefusedError())
    assert rig.trouble() == "cam: nothing listens on cam port 80"


def test_other_answers() -> None:
    """An error of the camera's is told by its number."""
    rig = Rig("http://cam/", reply(503))
    assert rig.trouble() == "cam: it answers 503 Service Unavailable"
