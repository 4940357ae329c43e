"""Every door in every kind of network: it gets through with the right block, and says what is wrong without it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deploy.stack.processes import free_port
from slo_engine.connect import Connection
from tests.connect.certificates import Authority
from tests.connect.doors import DOORS
from tests.connect.servers import ForwardProxy, basic, fine, only_with, serving

SECRET = "s3cret-and-long"


@dataclass(frozen=True)
class Place:
    """Servers, and how they are reached. ``without``: the same with the decisive part of the block left out."""

    connection: Connection
    without: Connection
    refusal: str
    proxy: ForwardProxy | None = None


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def place(kind: str, stack: ExitStack, authority: Authority) -> Place:
    certificate = authority.certificate("localhost")
    if kind == "a private CA":
        port = stack.enter_context(serving(fine, certificate))
        without = Connection(f"https://localhost:{port}")
        return Place(
            replace(without, ca_file=authority.ca_file), without, "not signed by a CA that this machine trusts"
        )
    if kind == "a client certificate":
        port = stack.enter_context(serving(fine, certificate, client_ca=authority.ca_file))
        without = Connection(f"https://localhost:{port}", ca_file=authority.ca_file)
        ours = authority.certificate("slo-engine")
        connection = replace(without, client_cert=ours.cert, client_key=ours.key)
        return Place(connection, without, "it wants a client certificate: set client_cert and client_key")
    if kind == "basic auth":
        port = stack.enter_context(serving(only_with("authorization", basic("müller", SECRET))))
        without = Connection(f"http://localhost:{port}")
        return Place(replace(without, basic_auth=("müller", SECRET)), without, "it wants credentials: set ")
    if kind == "a bearer token":
        port = stack.enter_context(serving(only_with("authorization", f"Bearer {SECRET}")))
        without = Connection(f"http://localhost:{port}")
        return Place(replace(without, token=SECRET), without, "it wants credentials: set ")
    if kind == "a tenant":
        port = stack.enter_context(serving(only_with("x-scope-orgid", "team")))
        without = Connection(f"http://localhost:{port}")
        return Place(without.with_header("X-Scope-OrgID", "team"), without, "HTTP 401")
    proxy = stack.enter_context(ForwardProxy(authorization=basic("robot", SECRET)))
    tls = kind == "a proxy to TLS"
    port = stack.enter_context(serving(fine, certificate if tls else None))
    without = Connection(
        f"{'https' if tls else 'http'}://localhost:{port}", ca_file=authority.ca_file, proxy=proxy.address
    )
    return Place(replace(without, proxy_auth=("robot", SECRET)), without, "wants credentials: set proxy_auth", proxy)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "kind",
    [
        "a private CA",
        "a client certificate",
        "basic auth",
        "a bearer token",
        "a tenant",
        "a proxy to TLS",
        "a proxy to plain HTTP",
    ],
)
def test_every_door_gets_through_with_its_block_and_not_without(
    kind: str, door: str, stack: ExitStack, authority: Authority
) -> None:
    there = place(kind, stack, authority)
    assert DOORS[door](there.connection) == ""
    if there.proxy is not None:
        assert set(there.proxy.targets) == {there.connection.url.partition("://")[2]}, "nothing went round the proxy"
    assert there.refusal in DOORS[door](there.without)


def broken(kind: str, stack: ExitStack, authority: Authority) -> Connection:
    """A connection with one fault."""
    certificate = authority.certificate("localhost")
    ca_file = authority.ca_file
    if kind == "untrusted CA":
        other = Authority(Path(ca_file).parent / "other", "other")
        port = stack.enter_context(serving(fine, certificate))
        return Connection(f"https://localhost:{port}", ca_file=other.ca_file)
    if kind == "CA of the same name":
        other = Authority(Path(ca_file).parent / "same")
        port = stack.enter_context(serving(fine, certificate))
        return Connection(f"https://localhost:{port}", ca_file=other.ca_file)
    if kind == "wrong name":
        port = stack.enter_context(serving(fine, authority.certificate("a.example")))
        return Connection(f"https://localhost:{port}", ca_file=ca_file)
    if kind == "wrong IP":
        port = stack.enter_context(serving(fine, certificate))
        return Connection(f"https://127.0.0.1:{port}", ca_file=ca_file)
    if kind == "expired":
        port = stack.enter_context(serving(fine, authority.certificate("localhost", is_expired=True)))
        return Connection(f"https://localhost:{port}", ca_file=ca_file)
    if kind == "foreign client certificate":
        ours = Authority(Path(ca_file).parent / "foreign", "foreign").certificate("slo-engine")
        port = stack.enter_context(serving(fine, certificate, client_ca=ca_file))
        return Connection(f"https://localhost:{port}", ca_file=ca_file, client_cert=ours.cert, client_key=ours.key)
    if kind == "refused":
        return Connection(f"http://127.0.0.1:{free_port()}")
    if kind == "DNS":
        return Connection("http://prom.invalid:9090")
    if kind == "timeout":
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))  # accepts, and never answers
        return Connection(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=0.3)
    if kind == "plain HTTP on a TLS address":
        return Connection(f"https://localhost:{stack.enter_context(serving(fine))}")
    if kind == "proxy refused":
        return Connection("http://localhost:9090", proxy=f"http://127.0.0.1:{free_port()}")
    if kind == "proxy says no":
        proxy = stack.enter_context(ForwardProxy(refuse=403))
        return Connection("https://prom.example:9090", proxy=proxy.address)
    if kind == "wrong token":
        return Connection(f"http://localhost:{stack.enter_context(serving(lambda _: (401, '')))}", token=SECRET)
    if kind == "a token that may not":
        return Connection(f"http://localhost:{stack.enter_context(serving(lambda _: (403, SECRET)))}", token=SECRET)
    assert kind == "redirect"
    return Connection(f"http://localhost:{stack.enter_context(serving(lambda _: (302, '')))}")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("untrusted CA", " cannot be reached: its certificate is not signed by a CA in "),
        ("CA of the same name", " cannot be reached: its certificate is not signed by a CA in "),
        ("wrong name", " cannot be reached: its certificate is not for the name localhost: "),
        ("wrong IP", " cannot be reached: its certificate is not for the name 127.0.0.1: "),
        ("expired", " cannot be reached: its certificate has expired: renew it"),
        ("foreign client certificate", " cannot be reached: it does not accept the client certificate (unknown ca)"),
        ("refused", " cannot be reached: connection refused: is it running, and is the port right?"),
        ("DNS", "for prom.invalid"),
        ("timeout", " did not answer within 0.3 s"),
        ("plain HTTP on a TLS address", " cannot be reached: it does not answer in TLS: write http:// in url, or"),
        ("proxy refused", " cannot be reached: the proxy http://127.0.0.1:"),
        ("proxy says no", " does not connect to prom.example:9090 (HTTP 403)"),
        ("wrong token", "HTTP 401: it does not accept "),
        ("a token that may not", ": these credentials may not do that"),
        ("redirect", "HTTP 302: it redirects: write its final address in url"),
    ],
)
def test_every_door_says_in_the_same_words_what_is_wrong(
    kind: str, said: str, door: str, stack: ExitStack, authority: Authority
) -> None:
    connection = broken(kind, stack, authority)
    started = time.monotonic()
    message = DOORS[door](connection)
    assert said in message
    assert SECRET not in message
    if " cannot be reached" in said:
        assert message.startswith(f"{door} at {connection.address} ")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("door", DOORS)
def test_a_certificate_that_is_not_checked_is_taken(door: str, stack: ExitStack, authority: Authority) -> None:
    port = stack.enter_context(serving(fine, authority.certificate("a.example", is_expired=True)))
    assert DOORS[door](Connection(f"https://localhost:{port}", insecure_skip_verify=True)) == ""


@pytest.mark.parametrize("door", DOORS)
def test_the_environment_neither_adds_credentials_nor_a_proxy(
    door: str, stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine localhost login netrc password netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    port = stack.enter_context(serving(only_with("authorization", f"Bearer {SECRET}")))
    assert DOORS[door](Connection(f"http://localhost:{port}", token=SECRET)) == ""
