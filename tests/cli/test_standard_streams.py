"""`-` is standard input where SLO files are read, and standard output where files are written."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cli.test_commands import ROOT, run

AGENTS = (ROOT / "slos/agents.yaml").read_bytes()
SLO = b"""
version: slo-engine/v1
service: shop
slos:
  - name: runs
    objective: 99
    sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}
"""


def test_an_slo_file_is_read_from_standard_input(tmp_path: Path) -> None:
    done = run("validate", "-", stdin=AGENTS, cwd=tmp_path)
    assert done.returncode == 0
    assert "5 SLOs and 6 thresholds, all fine" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version: slo-engine/v1\nservice: Shop\n", "<stdin>:2:10: service: must be lower-case letters"),
        (b"", "<stdin>:1:1: is empty: begin with `version: slo-engine/v1`"),
        (b"version: \xff", "<stdin>:1:10: is not UTF-8 (byte 10 of the file)"),
        (b"#" * (2 * 1024 * 1024 + 1), "<stdin>:1:1: is larger than 2 MiB"),
    ],
)
def test_a_mistake_in_it_is_told_with_its_place(content: bytes, said: str) -> None:
    done = run("validate", "-", stdin=content)
    assert done.returncode == 1
    assert done.stdout.startswith(said)


def test_its_mistakes_in_json_name_it() -> None:
    done = run("validate", "--json", "-", stdin=b"version: slo-engine/v1\nservice: Shop\n")
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == ("<stdin>", 2, 10)


def test_it_is_checked_together_with_files(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_bytes(SLO)
    done = run("validate", "-", str(tmp_path), stdin=SLO)
    assert done.returncode == 1
    assert "the SLO 'runs' of shop exists already, at <stdin>:5" in done.stdout


def test_a_file_of_that_name_is_read_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "-").write_bytes(SLO)
    assert run("validate", "./-", cwd=tmp_path).returncode == 0


def test_rules_are_written_to_standard_output_as_one_document() -> None:
    done = run("rules", "generate", "--out", "-")  # of two services
    assert (done.returncode, done.stderr) == (0, "")
    (document,) = yaml.safe_load_all(done.stdout)
    services = {group["name"].split(":")[1] for group in document["groups"]}
    assert {"agents", "slo-engine"} <= services


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_reads_what_a_pipe_of_both_gives(tmp_path: Path) -> None:
    done = run("rules", "generate", "-", "-o", "-", stdin=AGENTS, cwd=tmp_path)
    (tmp_path / "rules.yaml").write_text(done.stdout)
    checked = subprocess.run(["promtool", "check", "rules", str(tmp_path / "rules.yaml")], capture_output=True)
    assert checked.returncode == 0, checked.stderr


def test_manifests_on_standard_output_are_a_stream_of_documents() -> None:
    done = run("rules", "generate", "--out", "-", "--format", "configmap")
    kinds = [document["kind"] for document in yaml.safe_load_all(done.stdout)]
    assert len(kinds) > 1
    assert set(kinds) == {"ConfigMap"}
    compared = run("rules", "check", "--manifest", "-", stdin=done.stdout.encode())
    assert compared.returncode == 0, compared.stderr


def test_unit_tests_need_a_folder() -> None:
    done = run("rules", "generate", "--out", "-", "--tests")
    assert done.returncode == 2
    assert "name a folder with --out" in done.stderr


@pytest.mark.parametrize(
    ("command", "first"),
    [
        (("expand", "-", "--out", "-"), "version: slo-engine/v1"),
        (("export", "openslo", "-", "--out", "-"), "apiVersion: openslo/v1"),
        (("rules", "inhibitions", "-"), "inhibit_rules:"),
        (("simulate", "-", "--policy", "google", "--objective", "99"), "policy google, objective 99 % over 30d"),
    ],
)
def test_other_commands_take_it_too(command: tuple[str, ...], first: str, tmp_path: Path) -> None:
    done = run(*command, stdin=SLO, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert first in done.stdout
    assert not list(tmp_path.iterdir())


SLOTH = b"""
version: prometheus/v1
service: shop
slos:
  - name: runs
    objective: 99
    sli:
      events:
        error_query: sum(rate(runs_total{status="error"}[{{.window}}]))
        total_query: sum(rate(runs_total[{{.window}}]))
    alerting: {name: Runs}
"""


def test_a_file_of_another_tool_is_read_from_standard_input_and_fits_into_a_pipe(tmp_path: Path) -> None:
    done = run("import", "-", stdin=SLOTH, cwd=tmp_path)
    assert done.returncode == 0
    assert "what-alerts-differently" in done.stderr
    assert "1 SLO imported; 0 not; 0 notes" in done.stderr
    assert run("validate", "-", stdin=done.stdout.encode()).returncode == 0
    wrong = run("import", "-", stdin=SLOTH.replace(b"objective: 99", b"objective: [99]"))
    assert wrong.returncode == 1
    assert "<stdin>:6" in wrong.stdout + wrong.stderr
    assert "in <stdin>" in run("import", "-", stdin=b"").stderr
    assert "<stdin>" in run("import", "-", stdin=b"\xff").stderr
