"""``slo-engine import`` and ``slo-engine export`` as scripts use them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slo_engine.definitions import load
from tests.cli.test_commands import run
from tests.convert.importers.sources import OPENSLO, OPENSLO_ALPHA, PYRRA, SLOTH, SLOTH_IN_KUBERNETES


@pytest.fixture
def here(tmp_path: Path) -> Path:
    texts = {
        "sloth": SLOTH,
        "kubernetes": SLOTH_IN_KUBERNETES,
        "openslo": OPENSLO,
        "alpha": OPENSLO_ALPHA,
        "pyrra": PYRRA,
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def test_import_prints_the_file_and_says_on_the_side_what_is_not_the_same(here: Path) -> None:
    done = run("import", "pyrra.yaml", cwd=here)
    assert done.returncode == 0
    (here / "out.yaml").write_text(done.stdout)
    assert len(load([here / "out.yaml"]).slos) == 3
    assert "pyrra.yaml:12:3: not imported: spec.partial_response_strategy: it is for Thanos Ruler" in done.stderr
    assert "3 SLOs imported; 0 not; " in done.stderr


def test_import_fails_for_an_slo_that_cannot_be_and_writes_the_rest(here: Path) -> None:
    done = run("import", "sloth.yaml", "--out", "slos/checkout.yaml", cwd=here)
    assert (done.returncode, done.stdout) == (1, "slos/checkout.yaml\n")
    assert "sloth.yaml:38: satisfaction is a comment in the file: the queries are made by Sloth's plugin" in done.stderr
    assert len(load([here / "slos"]).slos) == 2
    assert run("validate", "slos", cwd=here).returncode == 0


def test_several_services_want_a_folder(here: Path) -> None:
    done = run("import", "kubernetes.yaml", cwd=here)
    assert (done.returncode, done.stdout) == (2, "")
    assert "2 files (checkout.yaml, search.yaml): name a folder" in done.stderr
    done = run("import", "kubernetes.yaml", "--out", "one.yaml", cwd=here)
    assert (done.returncode, (here / "one.yaml").exists()) == (2, False)
    done = run("import", "kubernetes.yaml", "--out", "slos", cwd=here)
    assert (done.returncode, done.stdout) == (0, "slos/checkout.yaml\nslos/search.yaml\n")


def test_import_overwrites_nothing(here: Path) -> None:
    assert run("import", "pyrra.yaml", "-o", "slos", cwd=here).returncode == 0
    assert run("import", "pyrra.yaml", "-o", "slos", cwd=here).returncode == 0
    (here / "slos" / "shop.yaml").write_text("mine")
    done = run("import", "pyrra.yaml", "-o", "slos", cwd=here)
    assert done.returncode == 1
    assert "slos/shop.yaml exists and is not the same" in done.stderr
    assert (here / "slos" / "shop.yaml").read_text() == "mine"


def test_report_names_files_slos_and_everything_that_is_not_the_same(here: Path) -> None:
    done = run("import", "sloth.yaml", "--json", cwd=here)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    (file,) = report["files"]
    assert file["slos"][0] == {"service": "checkout", "name": "requests-availability"}
    assert file["refused"][0]["where"] == "sloth.yaml:38"
    assert file["text"].startswith("# Imported by slo-engine from sloth.yaml")
    plugins = next(note for note in report["notes"] if note["path"] == "slo_plugins")
    assert (plugins["kind"], plugins["file"], plugins["line"], plugins["column"]) == (
        "not imported",
        "sloth.yaml",
        6,
        1,
    )


def test_malformed_source_is_a_failure_with_its_line(here: Path) -> None:
    (here / "bad.yaml").write_text("version: prometheus/v1\nservice: a\nslos: [\n")
    done = run("import", "bad.yaml", cwd=here)
    assert (done.returncode, done.stdout) == (1, "")
    assert "bad.yaml:3:7: not readable as YAML" in done.stderr


@pytest.mark.parametrize(("name", "tool"), [("sloth", "Sloth"), ("openslo", "OpenSLO"), ("pyrra", "Pyrra")])
def test_validate_names_import_for_a_file_of_another_tool(here: Path, name: str, tool: str) -> None:
    done = run("validate", f"{name}.yaml", cwd=here)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert f"this is a file of {tool}: `slo-engine import {name}.yaml --out FOLDER`" in line


def test_unknown_format_is_wrong_usage(here: Path) -> None:
    assert run("import", "sloth.yaml", "--from", "nobl9", cwd=here).returncode == 2


def test_export_and_import_meet(here: Path) -> None:
    assert run("import", "pyrra.yaml", "-o", "slos", cwd=here).returncode == 0
    done = run("export", "openslo", "slos", "--out", "there", cwd=here)
    assert (done.returncode, done.stdout) == (0, "there/shop.openslo.yaml\n")
    assert run("import", "there", "--out", "back", cwd=here).returncode == 0
    assert [slo.sli for slo in load([here / "back"]).slos] == [slo.sli for slo in load([here / "slos"]).slos]


def test_export_fails_for_what_has_no_equivalent_and_writes_the_rest(tmp_path: Path) -> None:
    done = run("export", "openslo", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert {"service": "agents", "slo": "spend", "message": "OpenSLO has no SLI of this kind"} in report["not_exported"]
    assert "kind: SLO" in report["files"][0]["text"]
