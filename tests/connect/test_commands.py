"""The command line against a real Prometheus that wants TLS, a client certificate and a password, and a ruler behind a
proxy."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from deploy.stack.processes import Process, free_port, program
from slo_engine.connect import Connection
from slo_engine.prometheus import Prometheus, PrometheusError
from tests.cli.test_commands import ROOT, run
from tests.connect.certificates import Authority, Certificate
from tests.connect.servers import ForwardProxy, basic
from tests.rollout.ruler_server import RulerServer
from tests.waiting import wait_for

BCRYPT = "$2b$05$ndJioagcCnTUMpfJArhVFeEugTXhSo1jfAdWsXFCQW1DKdUNqi3Na"
"""Of hunter22."""

USERINFO = "must not hold credentials: remove them from the address and write "


@dataclass(frozen=True)
class Guarded:
    """A Prometheus that wants everything, and who may talk to it."""

    url: str
    authority: Authority
    ours: Certificate

    @property
    def connection(self) -> Connection:
        return Connection(
            self.url,
            basic_auth=("robot", "hunter22"),
            ca_file=self.authority.ca_file,
            client_cert=self.ours.cert,
            client_key=self.ours.key,
        )

    def block(self) -> dict[str, object]:
        """The same as settings."""
        return {
            "url": self.url,
            "basic_auth": {"username": "robot", "password": "hunter22"},
            "ca_file": self.authority.ca_file,
            "client_cert": self.ours.cert,
            "client_key": self.ours.key,
        }


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    authority = Authority(folder / "ca")
    server = authority.certificate("localhost")
    tls = {
        "cert_file": server.cert,
        "key_file": server.key,
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca_file": authority.ca_file,
    }
    (folder / "web.yml").write_text(yaml.safe_dump({"tls_server_config": tls, "basic_auth_users": {"robot": BCRYPT}}))
    (folder / "prometheus.yml").write_text("global: {}")
    there = Guarded(f"https://localhost:{free_port()}", authority, authority.certificate("slo-engine"))
    process = Process(
        "Prometheus",
        [
            program("prometheus", "prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.config.file={folder / 'web.yml'}",
            f"--web.listen-address={there.url.removeprefix('https://')}",
        ],
        log=folder / "log",
        ready_url=there.url,
    )
    try:
        wait_for("Prometheus", lambda: asked(there.connection) == "", within=30)
        yield there
    finally:
        process.stop()


def asked(connection: Connection) -> str:
    """What a query says of its failure; nothing when it was answered."""
    with closing(Prometheus(connection)) as door:
        try:
            door.query("1", datetime.now(UTC))
        except PrometheusError as error:
            return str(error)
    return ""


@pytest.mark.stack
def test_a_real_prometheus_says_which_part_of_the_block_is_wrong(guarded: Guarded) -> None:
    right = guarded.connection
    assert asked(right) == ""
    assert "it does not accept user and password" in asked(replace(right, basic_auth=("robot", "wrong")))
    assert "HTTP 401 (Unauthorized): it wants credentials" in asked(replace(right, basic_auth=None))
    assert "client certificate" in asked(replace(right, client_cert=None, client_key=None))
    assert "it expects TLS: write https:// in url" in asked(replace(right, url=right.url.replace("https", "http")))


@pytest.mark.stack
def test_status_doctor_and_rules_check_take_the_whole_block(tmp_path: Path, guarded: Guarded) -> None:
    (tmp_path / "slo-engine.yaml").write_text(yaml.safe_dump({"prometheus": guarded.block()}))
    slos = str(ROOT / "slos")
    done = run("status", slos, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    diagnosed = run("doctor", slos, "--json", cwd=tmp_path)
    assert json.loads(diagnosed.stdout)["findings"], diagnosed.stderr
    checked = run("rules", "check", slos, "--prometheus", guarded.url, "--json", cwd=tmp_path)
    assert {finding["problem"] for finding in json.loads(checked.stdout)["findings"]} == {"missing"}, checked.stderr


@pytest.mark.stack
def test_rules_check_takes_the_block_as_options_which_go_over_the_settings(tmp_path: Path, guarded: Guarded) -> None:
    (tmp_path / "user").write_text("robot:hunter22\n")
    (tmp_path / "slo-engine.yaml").write_text("prometheus: {token: wrong, headers: {X-Key: a}}")
    options = (
        *("--ca-file", guarded.authority.ca_file, "--client-cert", guarded.ours.cert, "--client-key", guarded.ours.key),
        *("--header", "X-Scope-OrgID=team"),
    )
    call = ("rules", "check", str(ROOT / "slos"), "--prometheus", guarded.url, *options)
    done = run(*call, "--user-file", str(tmp_path / "user"), "--json", cwd=tmp_path)
    assert {finding["problem"] for finding in json.loads(done.stdout)["findings"]} == {"missing"}, done.stderr
    assert "it does not accept the token" in run(*call, cwd=tmp_path).stderr


def test_rules_go_to_a_ruler_behind_tls_and_a_proxy(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    certificate = authority.certificate("localhost")
    (tmp_path / "proxy-user").write_text("robot:hunter22")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    with RulerServer() as ruler, ForwardProxy(authorization=basic("robot", "hunter22")) as proxy:
        ruler.wrap(context)
        address = ruler.address.replace("http://127.0.0.1", "https://localhost")
        call = ("rules", "push", str(ROOT / "slos"), "--address", address, "--ca-file", authority.ca_file)
        through = ("--proxy", proxy.address, "--proxy-user-file", str(tmp_path / "proxy-user"))
        done = run(*call, *through, "--header", "X-Scope-OrgID=team")
        assert done.returncode == 0, done.stderr
        assert list(ruler.groups) == ["team"]
        assert set(proxy.targets) == {address.removeprefix("https://")}
        refused = run(*call, "--proxy", proxy.address, "--header", "X-Scope-OrgID=team")
        assert refused.returncode == 1
        assert "wants credentials: set proxy_auth" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--prometheus", "http://u:hunter22@prom"), f"--prometheus {USERINFO}--user-file or --token-file"),
        (("--proxy", "http://u:hunter22@proxy"), f"--proxy {USERINFO}--proxy-user-file"),
        (("--ca-file", "nowhere.pem"), "ca_file nowhere.pem cannot be read: No such file or directory"),
        (("--client-key", "key.pem"), "client_key: set client_cert too"),
        (("--header", "X-Scope-OrgID"), "--header: write NAME=VALUE"),
        (("--header", "a b=c"), "--header: 'a b' is not the name of a header"),
        (("--token-file", "a", "--user-file", "b"), "--token-file and --user-file: give one of them"),
    ],
)
def test_a_connection_that_cannot_be_meant_is_a_usage_error(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    address = () if "--prometheus" in arguments else ("--prometheus", "https://prom:9090")
    done = run("rules", "check", str(ROOT / "slos"), *address, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "hunter22" not in done.stderr


def test_the_options_of_a_connection_go_with_an_address() -> None:
    done = run("rules", "check", "slos", "--ca-file", "ca.pem")
    assert done.returncode == 2
    assert "go with --prometheus" in done.stderr


def test_the_command_line_starts_without_any_http_library() -> None:
    code = "import sys, slo_engine.cli.app; print([m for m in ('httpx', 'requests', 'ssl') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
