"""`slo-engine dashboards`: what it writes, and what it says of a folder that is not up to date."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.stack.standin.otlp import PROJECT_ID
from slo_engine.dashboards import render
from slo_engine.dashboards.provisioning import FOLDER
from slo_engine.definitions.slo import SloSet
from slo_engine.errors import SloEngineError
from tests.cli.test_commands import run
from tests.dashboards.queries import SOURCE
from tests.definitions.writing import slo, slo_file, write

ROOT = Path(__file__).parent.parent.parent
SHIPPED = ROOT / "deploy/grafana"


def test_the_files_in_the_repository_are_up_to_date() -> None:
    done = run("dashboards", "--check")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


def test_it_writes_dashboards_and_what_provisions_them(tmp_path: Path) -> None:
    done = run("dashboards", "--out", str(tmp_path))
    assert done.returncode == 0
    written = [Path(line) for line in done.stdout.splitlines()]
    assert sorted(written) == sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert {path.relative_to(tmp_path) for path in written} == {
        path.relative_to(SHIPPED) for path in SHIPPED.rglob("*") if path.is_file()
    }
    assert all((SHIPPED / path.relative_to(tmp_path)).read_bytes() == path.read_bytes() for path in written)


def test_a_hand_edit_is_shown_and_fails(tmp_path: Path) -> None:
    run("dashboards", "--out", str(tmp_path))
    file = tmp_path / "dashboards/slo-engine-agents.json"
    file.write_text(file.read_text().replace('"AI agents"', '"My agents"'))
    done = run("dashboards", "--check", "--out", str(tmp_path))
    assert done.returncode == 1
    assert '-  "title": "My agents",\n+  "title": "AI agents",' in done.stdout
    assert "1 file of the dashboards is not up to date: run `slo-engine dashboards`" in done.stderr
    assert '"My agents"' in file.read_text()


def test_a_file_that_is_missing_and_one_that_is_left_over_are_drift(tmp_path: Path) -> None:
    run("dashboards", "--out", str(tmp_path))
    folder = tmp_path / "dashboards"
    (folder / "slo-engine-agents.json").rename(folder / "slo-engine-old.json")
    (folder / "of-somebody-else.json").write_text("{}")
    done = run("dashboards", "--check", "--out", str(tmp_path))
    assert done.returncode == 1
    assert "2 files" in done.stderr
    again = run("dashboards", "--out", str(tmp_path))
    assert f"removed {folder / 'slo-engine-old.json'}" in again.stderr
    assert {path.name for path in folder.iterdir()} >= {"slo-engine-agents.json", "of-somebody-else.json"}
    assert run("dashboards", "--check", "--out", str(tmp_path)).returncode == 0


def test_other_slos_make_other_thresholds(tmp_path: Path) -> None:
    slos = write(tmp_path / "slos/a.yaml", slo_file(slo("checkout", "alerting: {policy: page-at-5x}"), service="shop"))
    assert run("dashboards", str(slos), "--out", str(tmp_path / "out")).returncode == 0
    assert "shop" in (tmp_path / "out/dashboards/slo-engine-slo.json").read_text()
    assert run("dashboards", "--check", "--out", str(tmp_path / "out")).returncode == 1


def test_the_uid_is_that_of_the_data_source_and_of_the_variable(tmp_path: Path) -> None:
    done = run(
        "dashboards", "--out", str(tmp_path), "--datasource", "mimir", "--prometheus", "https://mimir/prometheus"
    )
    assert done.returncode == 0
    assert provisioned(tmp_path)["uid"] == "mimir"
    assert provisioned(tmp_path)["url"] == "https://mimir/prometheus"
    for file in (tmp_path / "dashboards").iterdir():
        assert '"value": "mimir"' in file.read_text()


def test_an_address_without_a_place_for_the_trace_is_wrong_usage(tmp_path: Path) -> None:
    done = run("dashboards", "--out", str(tmp_path), "--trace-url", "https://langfuse.example.com")
    assert done.returncode == 2
    assert "write {trace_id} where the id of the trace stands" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_mistake_in_an_slo_file_leaves_the_dashboards_alone(tmp_path: Path) -> None:
    slos = write(tmp_path / "slos/a.yaml", "version: slo-engine/v1\nservice: Agents\n")
    done = run("dashboards", str(slos), "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "a.yaml:2:10" in done.stderr
    assert not (tmp_path / "out").exists()


def test_without_the_sdk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "slo_engine.dashboards.grafana", raising=False)
    for name in [each for each in sys.modules if each.startswith("grafana_foundation_sdk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "grafana_foundation_sdk", None)
    with pytest.raises(SloEngineError, match=re.escape("pip install 'slo-engine[dashboards]'")):
        render(SloSet(), SOURCE)


def provisioned(folder: Path = SHIPPED) -> dict[str, Any]:
    """The data source, as Grafana reads it: $$ is a dollar that is no variable of the environment."""
    text = (folder / "provisioning/datasources/slo-engine.yaml").read_text().replace("$$", "$")
    (source,) = yaml.safe_load(text)["datasources"]
    found: dict[str, Any] = source
    return found


def test_an_exemplar_leads_to_its_trace_in_the_local_langfuse() -> None:
    (destination,) = provisioned()["jsonData"]["exemplarTraceIdDestinations"]
    assert destination["name"] == "trace_id"
    settings = yaml.safe_load((ROOT / "deploy/slo-engine.yaml").read_text())
    public = settings["langfuse"]["public_url"]
    assert destination["url"] == f"{public}/project/{PROJECT_ID}/traces/${{__value.raw}}"


def test_the_data_source_knows_how_often_is_scraped() -> None:
    configured = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert provisioned()["jsonData"]["timeInterval"] == configured["global"]["scrape_interval"]


def test_compose_puts_the_dashboards_where_grafana_looks_for_them() -> None:
    grafana = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]["grafana"]
    mounted = dict(mount.split(":")[:2] for mount in grafana["volumes"])
    assert mounted == {
        "./grafana/dashboards": FOLDER,
        "./grafana/provisioning/dashboards": "/etc/grafana/provisioning/dashboards",
        "./grafana/provisioning/datasources": "/etc/grafana/provisioning/datasources",
    }
    (provider,) = yaml.safe_load((SHIPPED / "provisioning/dashboards/slo-engine.yaml").read_text())["providers"]
    assert provider["options"]["path"] == FOLDER
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (SHIPPED / "dashboards" / home.removeprefix(f"{FOLDER}/")).is_file()
