"""What went wrong with a request to a camera, in words for people."""

from __future__ import annotations

from http import HTTPStatus

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import defer, error
from twisted.web.client import RequestTransmissionFailed, ResponseFailed

from camd.sources.http.connection import CONNECT
from camd.sources.http.names import UnknownHost
from camd.sources.http.url import Url

_CERTIFICATE = (
    "its certificate is not trusted; where the camera signed it itself, set "
    "camera_verify_tls: false"
)

_MEANINGS = {
    401: "it refuses this user and password",
    403: "it does not allow this (403 Forbidden)",
    404: "it has nothing there (404 Not Found); is the path right?",
}


def why_no_answer(trouble: BaseException, url: Url, timeout: float) -> str:
    """Return why no answer came, by what a request to this address failed with.

    :param timeout: seconds that it was given.
    """
    cause = _cause(trouble)
    where = f"{url.host} port {url.port}"
    match cause:
        case error.ConnectionRefusedError():
            return f"nothing listens on {where}"
        case error.TCPTimedOutError() | error.TimeoutError():
            return f"{where} does not answer within {CONNECT:.0f} s"
        case (
            defer.CancelledError()
            | defer.TimeoutError()
            | error.ConnectingCancelledError()
        ):
            return f"{where} gives no answer within {timeout:.0f} s"
        case error.ConnectionClosed():
            return f"{where} hangs up without an answer"
        case VerificationError():
            return _CERTIFICATE
        case SSL.Error():
            return _CERTIFICATE if _is_untrusted(cause) else _tls_trouble(cause)
        case UnknownHost():
            return f"there is no host of the name {url.host}"
        case error.ConnectError():
            return f"{where} cannot be reached: {_system_reason(cause)}"
    return f"{where} does not answer in HTTP ({type(cause).__name__})"


def why_not(code: int) -> str:
    """Return what an answer other than 200 means. Its own words are not repeated."""
    if code in _MEANINGS:
        return _MEANINGS[code]
    try:
        return f"it answers {code} {HTTPStatus(code).phrase}"
    except ValueError:
        return f"it answers {code}"


def _cause(trouble: BaseException) -> BaseException:
    """Return the first of the reasons that Twisted has wrapped up."""
    while isinstance(trouble, ResponseFailed | RequestTransmissionFailed):
        if not trouble.reasons:
            break
        trouble = trouble.reasons[0].value
    return trouble


def _is_untrusted(trouble: SSL.Error) -> bool:
    return "certificate verify failed" in str(trouble)


def _tls_trouble(trouble: SSL.Error) -> str:
    reasons = trouble.args[0] if trouble.args else ()
    told = reasons[0][-1] if reasons and reasons[0] else "no reason given"
    return f"no TLS connection: {told}"


def _system_reason(trouble: error.ConnectError) -> str:
    # Not `osError`: Twisted puts the bare number there, and the words here.
    told = str(trouble.args[0]) if trouble.args else ""
    return (told or type(trouble).__name__).lower()
