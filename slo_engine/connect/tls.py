"""TLS of outgoing connections, from files of PEM. Whose file is at fault, and why, is said before anything is sent."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

from slo_engine.errors import SloEngineError


class TlsError(SloEngineError):
    """A certificate or key that cannot be used."""


def context(
    *,
    ca_file: str | None = None,
    client_cert: str | None = None,
    client_key: str | None = None,
    insecure_skip_verify: bool = False,
) -> ssl.SSLContext:
    """``ca_file`` replaces the CAs of this machine, as in Prometheus' ``tls_config``. ``client_cert`` may hold the key
    too. Raises TlsError."""
    tls = ssl.create_default_context(cafile=_pem("ca_file", ca_file, "CERTIFICATE") if ca_file else _bundled_cas())
    if insecure_skip_verify:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if client_cert:
        _add_client(tls, client_cert, client_key)
    return tls


def no_tls() -> ssl.SSLContext:
    """For a client of http:// addresses: trusts nobody, and costs nothing to build."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _bundled_cas() -> str | None:
    # OpenSSL reads the CAs of the system by itself; minimal images have none, and need those that come with Python.
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        return None
    import certifi

    return certifi.where()


def _add_client(tls: ssl.SSLContext, certificate: str, key: str | None) -> None:
    _pem("client_cert", certificate, "CERTIFICATE")
    key_name, key_file = ("client_key", key) if key else ("client_cert", certificate)
    _pem(key_name, key_file, "PRIVATE KEY")

    def refuse() -> str:  # without this, OpenSSL asks for it on the terminal
        raise TlsError(f"{key_name} {key_file} is encrypted, and nobody is there to type its passphrase: decrypt it")

    try:
        tls.load_cert_chain(certificate, key, password=refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsError(f"{key_name} {key_file} is not the key of client_cert {certificate}") from None
        raise TlsError(
            f"client_cert {certificate} cannot be used with {key_name} {key_file}: {error.reason or error}"
        ) from None


def _pem(name: str, file: str, kind: str) -> str:
    """The file again, once it is known to hold ``kind``."""
    try:
        text = Path(file).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise TlsError(f"{name} {file} cannot be read: {error.strerror}") from None
    if f"{kind}-----" not in text:
        raise TlsError(f"{name} {file} holds no {kind.lower()} in PEM format (-----BEGIN ...)")
    if name == "ca_file":
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
        except ssl.SSLError:
            raise TlsError(f"{name} {file} is damaged: a certificate in it cannot be read") from None
    return file
