"""Why a request got no answer, in the words of the person who repairs it. One table for every door and sink.

Exceptions of httpx and of requests alike: both carry, somewhere in their chain of causes, what the operating system or
OpenSSL said. Neither library is imported here, so that the command line does not pay for both.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from slo_engine.connect.connection import Connection

Reason = Literal[
    "certificate_untrusted",
    "certificate_expired",
    "certificate_name",
    "certificate",
    "client_certificate",
    "not_tls",
    "tls",
    "dns",
    "refused",
    "unreachable",
    "timeout",
    "proxy",
    "closed",
    "too_large",
    "other",
]

# OpenSSL's numbers: x509_vfy.h, X509_V_ERR_...
_UNTRUSTED = frozenset({2, 7, 18, 19, 20, 21})  # 7: a CA of the same name with another key
_NOT_YET_VALID, _EXPIRED = 9, 10
_WRONG_NAME = frozenset({62, 64})

_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")
_CLIENT_CERTIFICATE = (
    "CERTIFICATE_REQUIRED",
    "ALERT_UNKNOWN_CA",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_CERTIFICATE_REVOKED",
    "ALERT_DECRYPT_ERROR",
)
_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EACCES})

_BROKEN = ("ReadError", "WriteError", "CloseError", "RemoteProtocolError", "ProtocolError", "BrokenResourceError")
"""Of httpx, urllib3 and anyio, where the operating system has said nothing."""


class TooLargeError(Exception):
    """An answer that is longer than anything the server should say."""


@dataclass(frozen=True)
class Failure:
    """A request without an answer. ``text`` is what follows the name of the server."""

    reason: Reason
    text: str

    def of(self, name: str) -> str:
        """The whole sentence: ``Prometheus at https://prom:9090 cannot be reached: no DNS entry for prom``."""
        return f"{name} {self.text}"


def failure_of(error: BaseException, connection: Connection) -> Failure:
    """What went wrong when a request to this connection raised ``error``."""
    chain = [*_chain(error)]
    for look in (_certificate, _tls, _proxy, _dns, _socket, _timeout, _broken, _too_large):
        for each in chain:
            if found := look(each, connection):
                return found
    return Failure("other", f"cannot be reached: {type(chain[-1]).__name__}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, outermost first."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):  # a name with several addresses fails once for each of them
            waiting += each.exceptions
        # The context also where it is suppressed: httpcore raises "from None" what has a cause.
        waiting += [cause for cause in (each.__cause__, each.__context__) if cause is not None]


def _unreachable(reason: Reason, why: str) -> Failure:
    return Failure(reason, f"cannot be reached: {why}")


def _host(connection: Connection) -> str:
    """Whose name is looked up, and who is connected to."""
    return urlsplit(connection.proxy or connection.url).hostname or ""


def _behind(connection: Connection) -> str:
    return f"the proxy {connection.proxy_address}: " if connection.proxy else ""


def _certificate(error: BaseException, connection: Connection) -> Failure | None:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return None
    code = error.verify_code
    if code in _UNTRUSTED:
        by = (
            f"by a CA in {connection.ca_file}"
            if connection.ca_file
            else "by a CA that this machine trusts: set ca_file"
        )
        return _unreachable("certificate_untrusted", f"its certificate is not signed {by}")
    if code == _EXPIRED:
        return _unreachable("certificate_expired", "its certificate has expired: renew it")
    if code == _NOT_YET_VALID:
        return _unreachable("certificate", "its certificate is not valid yet: check the clocks of both machines")
    if code in _WRONG_NAME:
        name = urlsplit(connection.url).hostname
        why = f"its certificate is not for the name {name}: write a name in url that the certificate holds"
        return _unreachable("certificate_name", why)
    return _unreachable("certificate", f"its certificate is not valid: {error.verify_message}")


def _tls(error: BaseException, connection: Connection) -> Failure | None:
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLWantReadError | ssl.SSLWantWriteError):
        return None
    reason = error.reason or ""
    if reason.endswith(_NO_TLS):
        return _unreachable("not_tls", "it does not answer in TLS: write http:// in url, or check the port")
    if reason.endswith(_CLIENT_CERTIFICATE) and not connection.client_cert:
        return _unreachable("client_certificate", "it wants a client certificate: set client_cert and client_key")
    if reason.endswith(_CLIENT_CERTIFICATE):
        alert = reason.rpartition("ALERT_")[2].replace("_", " ").lower()
        return _unreachable("client_certificate", f"it does not accept the client certificate ({alert})")
    if reason.endswith("HANDSHAKE_FAILURE") and not connection.client_cert:
        # Up to TLS 1.2 a server without a name for it says no more than this.
        return _unreachable(
            "client_certificate", "the TLS handshake failed: if it wants a client certificate, set client_cert"
        )
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "EOF" in reason:
        return _closed("during the TLS handshake", connection)
    return _unreachable("tls", f"TLS failed: {reason.replace('_', ' ').lower() or 'unknown reason'}")


def _proxy(error: BaseException, connection: Connection) -> Failure | None:
    if connection.proxy is None:
        return None
    text = str(error)
    # httpx: ProxyError("403 Forbidden"); below requests: OSError("Tunnel connection failed: 403 Forbidden").
    tunnel = text.removeprefix("Tunnel connection failed: ")
    if not (tunnel != text or _is_called(error, "ProxyError")):
        return None
    status = tunnel[:3]
    if not status.isdigit():
        return None
    if status == "407":
        known = connection.proxy_auth is not None
        why = "does not accept proxy_auth: check it" if known else "wants credentials: set proxy_auth"
        return _unreachable("proxy", f"the proxy {connection.proxy_address} {why}")
    target = urlsplit(connection.url).netloc
    return _unreachable("proxy", f"the proxy {connection.proxy_address} does not connect to {target} (HTTP {status})")


def _dns(error: BaseException, connection: Connection) -> Failure | None:
    if not isinstance(error, socket.gaierror):
        return None
    if error.errno == socket.EAI_AGAIN:
        return _unreachable("dns", f"{_behind(connection)}no DNS server answers for {_host(connection)}")
    return _unreachable("dns", f"{_behind(connection)}no DNS entry for {_host(connection)}")


def _socket(error: BaseException, connection: Connection) -> Failure | None:
    if isinstance(error, ConnectionRefusedError):
        why = "connection refused: is it running, and is the port right?"
        return _unreachable("refused", f"{_behind(connection)}{why}")
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return _unreachable("unreachable", f"{_behind(connection)}{(error.strerror or '').lower()}")
    return None


def _broken(error: BaseException, connection: Connection) -> Failure | None:
    if isinstance(error, ConnectionError) or _is_called(error, *_BROKEN):
        return _closed("without a complete answer", connection)
    return None


def _closed(when: str, connection: Connection) -> Failure:
    # In TLS 1.3 a server refuses a client after the handshake, and its reset may overtake the alert that says why.
    hint = ""
    if connection.url.lower().startswith("https:") and not connection.client_cert:
        hint = ": if it wants a client certificate, set client_cert"
    return Failure("closed", f"closed the connection {when}{hint}")


def _timeout(error: BaseException, connection: Connection) -> Failure | None:
    # Of httpx, requests and urllib3; a wait for a free connection has no TimeoutError in its chain.
    if isinstance(error, TimeoutError) or _is_called(error, "TimeoutException", "Timeout", "TimeoutError"):
        return Failure("timeout", f"did not answer within {connection.timeout:g} s")
    return None


def _too_large(error: BaseException, _: Connection) -> Failure | None:
    if isinstance(error, TooLargeError):
        return Failure("too_large", f"sent {error}: is the address right?")
    return None


def _is_called(error: BaseException, *names: str) -> bool:
    return any(each.__name__ in names for each in type(error).__mro__)
