"""Basic and Digest, against the examples of their RFCs and what cameras send."""

from __future__ import annotations

import hashlib
import re

import pytest

from camd.sources.http.login import Proof, challenges, is_stale, prove
from camd.sources.http.url import Login

MUFASA = Login("Mufasa", "Circle of Life")
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
ASKED = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    f'nonce="{NONCE}", opaque="{OPAQUE}"'
)
MD5 = "8ca523f5e9506fed4657c9700eebdbec"
SHA256 = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"


def proof(*headers: str, login: Login = MUFASA, cnonce: str = CNONCE) -> Proof:
    """Answer these headers."""
    made = prove(login, challenges(headers), lambda: cnonce)
    assert made is not None
    return made


def sent(*headers: str, login: Login = MUFASA) -> str:
    """What is sent for the path of the RFCs' examples."""
    return proof(*headers, login=login).header("/dir/index.html").decode()


def field(header: str, name: str) -> str | None:
    """A field of a Digest header, without quotes."""
    found = re.search(rf'[ ,]{name}=("[^"]*"|[^,]*)', header)
    return found[1].strip('"') if found else None


def md5(*texts: str) -> str:
    """The hash that Digest takes of texts."""
    return hashlib.md5(":".join(texts).encode()).hexdigest()


@pytest.mark.parametrize(
    ("algorithm", "response"), [("MD5", MD5), ("SHA-256", SHA256), ("sha-256", SHA256)]
)
def test_rfc_7616(algorithm: str, response: str) -> None:
    """The examples of RFC 7616 3.9.1 come out."""
    header = sent(ASKED.format(algorithm))
    assert header.startswith("Digest ")
    assert field(header, "response") == response
    assert field(header, "username") == "Mufasa"
    assert field(header, "realm") == "http-auth@example.org"
    assert field(header, "nonce") == NONCE
    assert field(header, "uri") == "/dir/index.html"
    assert field(header, "cnonce") == CNONCE
    assert field(header, "opaque") == OPAQUE
    # These three stand without quotes.
    assert f", algorithm={algorithm}, qop=auth, nc=00000001" in header


def test_rfc_2617() -> None:
    """The example of RFC 2617 3.5 comes out, where MD5 is not spelled out."""
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    asked = f'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="{nonce}"'
    login = Login("Mufasa", "Circle Of Life")
    header = proof(asked, login=login, cnonce="0a4f113b").header("/dir/index.html")
    assert field(header.decode(), "response") == "6629fae49393a05397450978507c4ef1"
    assert b"algorithm" not in header


def test_rfc_2069() -> None:
    """A camera of old asks without qop; its example (erratum 749) comes out."""
    asked = (
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    )
    header = sent(asked, login=Login("Mufasa", "CircleOfLife"))
    assert field(header, "response") == "1949323746fe6a43ef61f9606e7febea"
    assert field(header, "cnonce") is None
    assert "nc=" not in header


def test_sessions() -> None:
    """With MD5-sess the first hash takes both nonces in (RFC 7616 3.4.2)."""
    header = sent('Digest realm="r", nonce="n", qop="auth", algorithm=MD5-sess')
    secret = md5(md5("Mufasa", "r", "Circle of Life"), "n", CNONCE)
    what = md5("GET", "/dir/index.html")
    response = md5(secret, "n", "00000001", CNONCE, "auth", what)
    assert field(header, "response") == response
    assert "algorithm=MD5-sess" in header


def test_counting() -> None:
    """Each request with the same nonce has the next number, and another response."""
    digest = proof(ASKED.format("MD5"))
    first, second = (digest.header("/dir/index.html").decode() for _ in range(2))
    assert (field(first, "nc"), field(second, "nc")) == ("00000001", "00000002")
    assert field(first, "response") == MD5 != field(second, "response")


def test_basic() -> None:
    """The examples of RFC 7617 come out, the second with its letters in UTF-8."""
    asked = 'Basic realm="x"'
    aladdin = sent(asked, login=Login("Aladdin", "open sesame"))
    assert aladdin == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert sent(asked, login=Login("test", "123£")) == "Basic dGVzdDoxMjPCow=="


@pytest.mark.parametrize(
    ("headers", "begins", "algorithm"),
    [
        (['Basic realm="a"', ASKED.format("MD5")], "Digest", "MD5"),
        ([ASKED.format("MD5"), ASKED.format("SHA-256")], "Digest", "SHA-256"),
        ([ASKED.format("MD5") + ', Basic realm="a"'], "Digest", "MD5"),
        (['Basic realm="a", ' + ASKED.format("SHA-512-256")], "Basic", None),
        (['Digest realm="a", nonce="b", qop="auth-int", basic'], "Basic", None),
        (['Digest realm="no nonce", Basic realm="a"'], "Basic", None),
        (["NTLM TlRMTVNTUAACAAAA==, Negotiate", "BASIC"], "Basic", None),
    ],
)
def test_the_best_is_taken(
    headers: list[str], begins: str, algorithm: str | None
) -> None:
    """Of several the safest that camd knows, in however many headers they stand."""
    header = sent(*headers)
    assert header.startswith(begins + " ")
    assert field(header, "algorithm") == algorithm


@pytest.mark.parametrize(
    "header", ["", "Negotiate", "Bearer realm=x", "=,=", 'realm="x"', 'Digest nonce="']
)
def test_nothing_known(header: str) -> None:
    """What camd does not know is not answered."""
    assert prove(MUFASA, challenges([header]), lambda: CNONCE) is None


def test_sloppy_headers() -> None:
    """Blanks, missing commas and bare values are read."""
    (asked,) = challenges(['DIGEST  Realm = "a, b" nonce=abc,qop=auth, STALE=TRUE'])
    assert asked.scheme == "digest"
    expected = {"realm": "a, b", "nonce": "abc", "qop": "auth", "stale": "TRUE"}
    assert asked.parameters == expected
    assert is_stale([asked])


def test_stale() -> None:
    """Only the camera says that a nonce is too old."""
    assert not is_stale(challenges([ASKED.format("MD5")]))
    assert not is_stale(challenges([ASKED.format("MD5") + ", stale=false"]))


def test_quotes_stay_quoted() -> None:
    """What the camera escaped goes back as it came; a user's quote is escaped."""
    asked = r'Digest realm="a \"b\"", nonce="n"'
    header = sent(asked, login=Login('the "boss"', "x"))
    assert r'realm="a \"b\""' in header
    assert r'username="the \"boss\""' in header


def test_bytes_that_are_no_text() -> None:
    """A realm in some old encoding goes back byte for byte."""
    realm = b'Digest realm="K\xfcche", nonce="n"'.decode(errors="surrogateescape")
    header = proof(realm).header("/")
    assert b'realm="K\xfcche"' in header


def test_the_password_stays_here() -> None:
    """Digest sends the user, and nothing from which the password can be read."""
    assert "Circle" not in sent(ASKED.format("SHA-256"))


def test_long_headers_take_no_time() -> None:
    """A header made to be slow is read in time in proportion to its length."""
    for text in ('a="' * 20_000, "a " * 20_000, 'a="\\' * 20_000, "a" + " " * 60_000):
        assert prove(MUFASA, challenges([text]), lambda: CNONCE) is None
