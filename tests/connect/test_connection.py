"""A connection by itself: certificates that cannot be used, what is shown, Retry-After, requests that end in time."""

from __future__ import annotations

import ssl
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from slo_engine.connect import (
    AddressError,
    BusyError,
    Connection,
    Deadline,
    TlsError,
    Verdict,
    failure_of,
    retry_after,
    verdict_on,
)
from slo_engine.connect.client import async_client, client
from tests.connect.certificates import Authority

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.mark.parametrize("name", ["ca_file", "client_cert"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        ("hello", "holds no certificate in PEM format"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ""),
    ],
)
def test_a_certificate_that_cannot_be_used_names_its_file(
    tmp_path: Path, authority: Authority, name: str, content: str | None, said: str
) -> None:
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)
    block = {name: str(file)}
    if name == "client_cert":
        block["client_key"] = authority.certificate("a").key
    with pytest.raises(TlsError, match=f"^{name} {file} ") as caught:
        Connection("https://prom", **block).ssl_context()  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_a_key_that_cannot_be_used_names_its_file(tmp_path: Path, authority: Authority) -> None:
    ours, other = authority.certificate("ours"), authority.certificate("other")
    key = serialization.load_pem_private_key(Path(ours.key).read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    connection = Connection("https://prom", client_cert=ours.cert)
    for file, said in (
        (other.key, f"client_key {other.key} is not the key of client_cert {ours.cert}"),
        (str(locked), f"client_key {locked} is encrypted"),
        (ours.cert, f"client_key {ours.cert} holds no private key"),
        (None, f"client_cert {ours.cert} holds no private key"),
    ):
        with pytest.raises(TlsError) as caught:
            Connection(connection.url, client_cert=ours.cert, client_key=file).ssl_context()
        assert said in str(caught.value)
    both = tmp_path / "both.pem"
    both.write_text(Path(ours.cert).read_text() + Path(ours.key).read_text())
    Connection("https://prom", client_cert=str(both)).ssl_context()


def test_a_ca_file_replaces_the_cas_of_the_machine(authority: Authority) -> None:
    names = [ca["subject"] for ca in Connection("https://p", ca_file=authority.ca_file).ssl_context().get_ca_certs()]
    assert names == [((("commonName", "CA test"),),)]


def test_without_tls_nothing_could_be_trusted_by_mistake() -> None:
    context = Connection("http://prom", insecure_skip_verify=True).ssl_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.get_ca_certs() == []


@pytest.mark.parametrize("url", ["http://u:hunter22@prom", "https://hunter22@prom"])
def test_an_address_with_credentials_is_refused_without_showing_them(url: str) -> None:
    with pytest.raises(AddressError, match="write basic_auth") as caught:
        Connection(url)
    assert "hunter22" not in str(caught.value)
    with pytest.raises(AddressError, match="write proxy_auth"):
        Connection("http://prom", proxy=url)


def test_what_a_server_echoes_is_masked_in_every_form() -> None:
    connection = Connection(
        "http://p", basic_auth=("robot", "hunter22"), headers={"X-Key": "k3y", "X-Scope-OrgID": "t"}
    )
    sent = connection.sent_headers["Authorization"]
    assert connection.masked(f"you sent {sent}, hunter22, k3y and t") == "you sent Basic ***, ***, *** and t"


def test_the_token_is_sent_whatever_the_headers_say() -> None:
    connection = Connection("http://p", token="right", headers={"authorization": "wrong", "user-agent": "mine"})
    for headers in (client(connection).headers, async_client(connection).headers):
        assert headers.get_list("authorization") == ["Bearer right"]
        assert headers.get_list("user-agent") == ["mine"]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17.0),
        ("0", 0.0),
        ("Fri, 27 Nov 2026 12:01:00 GMT", 60.0),
        ("Fri, 27 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("²", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (204, Verdict.DELIVERED),
        (302, Verdict.REDIRECT),
        (400, Verdict.REFUSED),
        (401, Verdict.AUTH),
        (403, Verdict.AUTH),
        (404, Verdict.REFUSED),
        (407, Verdict.AUTH),
        (408, Verdict.RETRY),
        (425, Verdict.RETRY),
        (429, Verdict.RETRY),
        (500, Verdict.RETRY),
        (503, Verdict.RETRY),
    ],
)
def test_there_is_one_verdict_on_a_status(status: int, verdict: Verdict) -> None:
    assert verdict_on(status) is verdict


def test_a_request_that_never_ends_is_left_behind_and_counted() -> None:
    never = threading.Event()
    deadline = Deadline("test", at_once=1)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        deadline.run(never.wait, 0.05)
    assert time.monotonic() - started < 3
    with pytest.raises(BusyError):
        deadline.run(lambda: None, 1.0)
    never.set()


def test_an_error_that_nobody_foresaw_is_named_by_its_type_alone() -> None:
    error = ValueError("http://u:hunter22@prom")
    assert failure_of(error, Connection("http://prom")).text == "cannot be reached: ValueError"
