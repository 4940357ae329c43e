"""`slo-engine report`, beside an engine that has its store open, on a real Prometheus."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from deploy.stack.servers import Prometheus
from slo_engine.reports import Month
from slo_engine.store import Database, causes, messages
from tests.cli import warm
from tests.reports import world
from tests.rules.backfilled import backfill

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=40)]

OCTOBER = Month(2026, 10, ZoneInfo("Europe/Berlin"))


@dataclass
class House:
    """A folder with settings, SLOs and a store; the Prometheus that the settings name."""

    folder: Path
    url: str

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        return warm.run(["report", *arguments], cwd=cwd or self.folder, environment={"PATH": "/usr/bin"}, timeout=60)

    def without_a_store(self, folder: Path) -> Path:
        """The same, elsewhere, where no engine has ever run."""
        (folder / "slo-engine.yaml").write_text(f"prometheus: {{url: {self.url}}}\nslos: [slos.yaml]\n")
        (folder / "slos.yaml").write_text(world.SLO_FILE)
        return folder


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    backfill(folder, {name: values for name, values in world.series() if 'success",agent_type="support' in name})
    (folder / "slos.yaml").write_text(world.SLO_FILE)
    began = datetime(2026, 10, 9, 8, 51, tzinfo=UTC).timestamp()
    database = Database(f"sqlite:///{folder / 'store.db'}")
    for kind, at in (("firing", began), ("resolved", began + 7200)):
        new = messages.NewMessage(at, "thread", kind, "page", "Runs of support fail", {})
        database.write(lambda connection, new=new: messages.add_ready(connection, new, ()))  # type: ignore[misc]
    found = {"found": ["TimeoutError: crm_lookup"], "thread": "thread", "title": "Runs of support fail", "at": began}
    database.write(lambda connection: causes.note(connection, "agents", **found))  # type: ignore[arg-type]
    with Prometheus(folder) as server:
        (folder / "slo-engine.yaml").write_text(
            f"prometheus: {{url: {server.url}}}\nstore: {{url: 'sqlite:///{folder / 'store.db'}'}}\nslos: [slos.yaml]\n"
        )
        yield House(folder, server.url)  # the store stays open, as an engine has it
    database.close()


def test_files_of_a_month_are_written_beside_a_running_engine(house: House, tmp_path: Path) -> None:
    done = house.run("--month", "2026-10", "--zone", "Europe/Berlin", "--out", str(tmp_path / "new" / "folder"))
    assert done.returncode == 0, done.stderr
    files = [tmp_path / "new" / "folder" / f"slo-report-2026-10.{ending}" for ending in ("html", "md")]
    assert done.stdout.decode().splitlines() == [str(file) for file in files]
    events = world.within(world.GROUPS["support"].events, OCTOBER.start, OCTOBER.end)
    for file in files:
        text = file.read_text()
        assert f"{events:,.0f}" in text
        assert "Runs of support fail" in text
        assert "TimeoutError: crm_lookup" in text
        assert "9 Oct 10:51" in text
    assert done.stderr.decode().strip().endswith("1 of 4 objectives met; 3 not known")


def test_json_is_printed_for_scripts_and_nothing_else(house: House) -> None:
    found = house.run("--month", "2026-10", "--zone", "Europe/Berlin", "--json")
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)
    lives = world.GROUPS["support"]
    (support,) = (each for each in document["outcomes"] if each["group"] == {"agent_type": "support"})
    assert support["events"] == world.within(lives.events, OCTOBER.start, OCTOBER.end)
    assert support["errors"] == world.within(lives.errors, OCTOBER.start, OCTOBER.end)
    assert support["met"] is True
    (incident,) = document["incidents"]
    assert incident["notifications"] == 2
    assert [each["cause"] for each in incident["causes"]] == ["TimeoutError: crm_lookup"]
    same = house.run("--month", "2026-10", "--zone", "Europe/Berlin", "--format", "json", "--out", "-")
    assert json.loads(same.stdout)["outcomes"] == document["outcomes"]


def test_last_whole_month_of_the_zone_is_reported_when_none_is_named(house: House) -> None:
    found = house.run("--json", "--zone", "Asia/Kolkata")
    assert found.returncode == 0, found.stderr
    zone = ZoneInfo("Asia/Kolkata")
    assert json.loads(found.stdout)["month"] == Month.last_whole(datetime.now(UTC), zone).name


def test_report_is_made_without_a_store_and_says_so(house: House, tmp_path: Path) -> None:
    elsewhere = house.without_a_store(tmp_path)
    done = house.run("--month", "2026-10", "--format", "markdown", "--out", "-", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert "without incidents: the store slo-engine.db does not exist" in done.stderr.decode()
    assert "incidents and budget crossings are not in this report" in done.stdout.decode()
    assert sorted(file.name for file in elsewhere.iterdir()) == ["slo-engine.yaml", "slos.yaml"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--month", "October"), "'October' is not a month: write a year and a month, such as 2026-11"),
        (("--month", "2999-01"), "2999-01 has not begun in UTC: there is nothing to report"),
        (("--zone", "Berlin"), "is not a time zone: write one such as UTC or Europe/Berlin"),
        (("--out", "-"), "standard output takes one format"),
        (("--json", "--format", "html"), "give --json or --format"),
        (("--config", "nowhere.yaml"), "nowhere.yaml cannot be read"),
    ],
)
def test_wrong_usage_is_told_and_exits_with_2(house: House, arguments: tuple[str, ...], said: str) -> None:
    done = house.run(*arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.decode().replace("│", " ").split())
    assert done.stdout == b""


def test_prometheus_that_does_not_answer_is_a_failure_and_leaves_no_file(house: House, tmp_path: Path) -> None:
    elsewhere = house.without_a_store(tmp_path)
    (elsewhere / "slo-engine.yaml").write_text("prometheus: {url: 'http://127.0.0.1:9'}\nslos: [slos.yaml]\n")
    done = house.run("--month", "2026-10", cwd=elsewhere)
    assert done.returncode == 1
    assert "Prometheus at http://127.0.0.1:9" in done.stderr.decode()
    assert not list(elsewhere.glob("slo-report*"))


def test_folder_that_cannot_be_written_is_a_failure(house: House) -> None:
    done = house.run("--month", "2026-10", "--out", "slos.yaml")
    assert done.returncode == 1
    assert "slos.yaml/slo-report-2026-10.html cannot be written" in done.stderr.decode()
