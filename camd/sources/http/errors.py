"""What went wrong with a request to a camera, in words for people."""

from __future__ import annotations

from http import HTTPStatus

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import defer, error
from twisted.web.client import RequestTransmissionFailed, ResponseFailed

from camd.sources.http.endpoint import CONNECT
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
    cause = trouble
    while isinstance(cause, ResponseFailed | RequestTransmissionFailed):
        if not cause.reasons:
            break
        cause = cause.reasons[0].value
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
            if "certificate verify failed" in str(cause):
                return _CERTIFICATE
            reasons = cause.args[0] if cause.args else ()
            told = reasons[0][-1] if reasons and reasons[0] else "no reason given"
            return f"no TLS connection: {told}"
        case UnknownHost():
            return f"there is no host of the name {url.host}"
        case error.ConnectError():
            # Not `osError`: Twisted puts the bare number there, and the words here.
            told = str(cause.args[0]) if cause.args else ""
            reason = told or type(cause).__name__
            return f"{where} cannot be reached: {reason.lower()}"
    return f"{where} does not answer in HTTP ({type(cause).__name__})"


def why_not(code: int) -> str:
    """Return what an answer other than 200 means. Its own words are not repeated."""
    if code in _MEANINGS:
        return _MEANINGS[code]
    try:
        return f"it answers {code} {HTTPStatus(code).phrase}"
    except ValueError:
        return f"it answers {code}"
