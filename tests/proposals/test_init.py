"""``slo-engine init`` on a real Prometheus that has a day of history, and without one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

from deploy.stack.servers import Prometheus as RealPrometheus
from slo_engine.cli import init
from slo_engine.cli.app import app
from slo_engine.cli.schema import Described, schema_text
from slo_engine.connect import Connection
from slo_engine.definitions import Slo, load
from slo_engine.definitions.document import read_document
from slo_engine.definitions.targets import Override
from slo_engine.prometheus import Prometheus, PrometheusError
from slo_engine.prometheus.client import Result as Answer
from slo_engine.proposals import LeftOut, Proposed, propose
from tests.rules.backfilled import backfill

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=60)]


def minute() -> int:
    """The one that has begun: when a test runs, which may be long after this module was read."""
    return int(time.time()) // 60 * 60


def growing(per_minute: float) -> dict[int, float]:
    """A sample each minute, since some hours more than a day, and for as long as the tests may take."""
    began = minute() - 26 * 3600
    return {at: (at - began) / 60 * per_minute for at in range(began, minute() + 3600, 60)}


def histogram(name: str, labels: str, buckets: Mapping[str, float]) -> dict[str, dict[int, float]]:
    """Of observations in a minute: up to each bound, and all of them."""
    found = {f'{name}_bucket{{{labels},le="{bound}"}}': growing(count) for bound, count in buckets.items()}
    total = growing(max(buckets.values()))
    return found | {f'{name}_bucket{{{labels},le="+Inf"}}': total, f"{name}_count{{{labels}}}": total}


GEN_AI = 'gen_ai_operation_name="chat",gen_ai_request_model="m",job="otel"'


def series() -> dict[str, dict[int, float]]:
    return {
        'agent_requests_total{agent_type="support",status="success",job="a"}': growing(99.95),
        'agent_requests_total{agent_type="support",status="error",job="a"}': growing(0.05),
        'agent_requests_total{agent_type="batch",status="success",job="a"}': growing(94),
        'agent_requests_total{agent_type="batch",status="error",job="a"}': growing(6),
        'agent_tool_calls_total{tool_name="web_search",status="success",job="a"}': growing(10),
        'llm_cost_usd_total{agent_type="support",model="m",job="a"}': growing(0.01),
        'llm_cost_usd_total{agent_type="batch",model="m",job="a"}': growing(0.002),
        'llm_unpriced_calls_total{model="m",job="a"}': growing(0),
        **histogram("agent_request_duration_seconds", 'agent_type="support",job="a"', {"5": 60, "15": 96, "30": 100}),
        **histogram("gen_ai_client_operation_duration_seconds", GEN_AI, {"1": 40, "2.5": 99, "10": 100}),
        **histogram(
            "gen_ai_client_operation_duration_seconds", f'error_type="timeout",{GEN_AI}', {"1": 0, "2.5": 0, "10": 1}
        ),
        'http_requests_total{code="200",job="shop"}': growing(99),
        'http_requests_total{code="404",job="shop"}': growing(10),
        'http_requests_total{code="500",job="shop"}': growing(1),
        **histogram("http_request_duration_seconds", 'job="shop"', {"0.1": 50, "0.3": 96, "1": 100}),
        # Nobody calls it.
        'grpc_server_handled_total{grpc_code="OK",job="quiet"}': growing(0),
        **histogram("grpc_server_handling_seconds", 'job="quiet"', {"0.1": 0, "1": 0}),
        **histogram("grpc_server_handling_seconds", 'job="other"', {"1": 0, "5": 0, "9": 0}),
        # Many agents met less than the best one; of the calls of tools nearly all failed.
        **{
            f'gen_ai_invoke_agent_duration_seconds_count{{gen_ai_agent_name="a{n}"}}': growing(100 - n)
            for n in range(8)
        },
        **{
            f'gen_ai_invoke_agent_duration_seconds_count{{gen_ai_agent_name="a{n}",error_type="x"}}': growing(n)
            for n in range(8)
        },
        'gen_ai_execute_tool_duration_seconds_count{gen_ai_tool_name="t"}': growing(0.1),
        'gen_ai_execute_tool_duration_seconds_count{gen_ai_tool_name="t",error_type="x"}': growing(20),
        # Its counter of successes is missing.
        'litellm_deployment_total_requests_total{litellm_model_name="m",job="l"}': growing(1),
        # No status, no bucket that all targets have.
        'http_server_requests_seconds_count{job="b"}': growing(1),
    }


@dataclass(frozen=True)
class Written:
    """What init has done."""

    url: str
    folder: Path
    said: Result
    slos: Mapping[str, Slo]

    @property
    def text(self) -> str:
        return (self.folder / "slos/agents.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    backfill(folder, series())
    with RealPrometheus(folder) as server:
        yield server.url


@pytest.fixture(scope="module")
def written(prometheus: str, tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        said = CliRunner().invoke(app, ["init", "--from-prometheus", prometheus])
        assert said.exit_code == 0, said.stderr
        return Written(prometheus, folder, said, {slo.name: slo for slo in load([Path("slos")]).slos})


def test_what_is_written_is_valid_and_gives_rules(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(written.folder)

    assert written.said.stdout == "slos/agents.yaml\n"
    assert CliRunner().invoke(app, ["validate"]).exit_code == 0
    assert CliRunner().invoke(app, ["rules", "generate"]).exit_code == 0


def test_doctor_finds_nothing_but_that_the_rules_are_not_loaded(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(written.folder)
    monkeypatch.setenv("SLO_ENGINE_PROMETHEUS__URL", written.url)

    found = json.loads(CliRunner().invoke(app, ["doctor", "slos", "--json"]).stdout)["findings"]

    # The history ends: after a minute no rule would see it.
    assert {each["problem"] for each in found} <= {"no-rules", "late-samples"}, found


def test_an_slo_is_proposed_for_whatever_serves(written: Written) -> None:
    assert set(written.slos) == {
        *("success", "latency", "tool-calls", "spend"),
        *("otel-genai-availability", "otel-genai-latency", "otel-genai-agent-availability"),
        *("http-success", "http-latency", "grpc-success", "grpc-latency"),
    }
    assert {name: slo.by for name, slo in written.slos.items()} == {
        "success": ("agent_type",),
        "latency": ("agent_type",),
        "tool-calls": ("tool_name",),
        "spend": ("agent_type",),
        "otel-genai-availability": ("gen_ai_operation_name",),
        "otel-genai-latency": ("gen_ai_operation_name",),
        "otel-genai-agent-availability": ("gen_ai_agent_name",),
        **dict.fromkeys(("http-success", "http-latency", "grpc-success", "grpc-latency"), ("job",)),
    }


def test_no_objective_is_above_what_was_met(written: Written) -> None:
    success, http = written.slos["success"].target, written.slos["http-success"].target

    assert success.objective == 98
    assert success.overrides == (Override({"agent_type": "batch"}, 90.0, None),)
    assert http.objective == 99
    assert "# Met in the last 1d: batch 94.00 %, support 99.95 %." in without_counts(written.text)
    assert "# Met in the last 1d: shop 99.09 %." in without_counts(written.text)


def test_where_many_groups_met_less_the_objective_of_all_is_lower(written: Written) -> None:
    target = written.slos["otel-genai-agent-availability"].target

    assert (target.objective, target.overrides) == (90, ())
    assert (
        "# Met in the last 1d: a7 93.00 %, a6 94.00 %, a5 95.00 %, a4 96.00 %, a3 97.00 %, and 3 groups"
        in without_counts(written.text)
    )


def test_a_threshold_is_the_bucket_of_nearly_all_that_was(written: Written) -> None:
    texts = {name: slo.sli.written() for name, slo in written.slos.items()}

    assert texts["latency"]["latency"]["threshold"] == "15s"
    assert texts["http-latency"]["latency"]["threshold"] == "300ms"
    assert texts["otel-genai-latency"]["latency"]["threshold"] == "2s500ms"  # which is no usual bucket
    assert texts["grpc-latency"]["latency"]["threshold"] == "1s"  # the only bucket that both targets have
    assert "Agent runs end within 15s." in written.text
    assert "A bucket of the histogram: 96.0 % of what was measured took no longer." in written.text


def test_a_budget_is_a_quarter_more_than_the_greatest_spender_spent(written: Written) -> None:
    cost = written.slos["spend"].sli.written()["cost"]

    assert cost["budget"] == "540 USD"
    assert cost["unpriced"] == "llm_unpriced_calls_total"
    assert (
        "For each agent_type: the one that spends most would spend 432.00 USD in 30 days, by the last 1d;"
        in written.text
    )


def test_without_traffic_the_objective_is_the_usual_one_and_the_file_says_so(written: Written) -> None:
    assert written.slos["grpc-success"].target.objective == 99.5
    assert "There was no traffic to go by: a usual objective." in written.text


def test_what_doctor_would_object_to_is_left_out_with_the_reason(written: Written) -> None:
    said = written.said.stderr

    assert re.search("^litellm-deployment-availability is left out: no series matches good", said, re.MULTILINE)


def test_what_met_no_objective_at_all_is_left_out_with_the_reason(written: Written) -> None:
    said = written.said.stderr

    assert re.search("^otel-genai-tool-availability is left out: nearly all of .* failed", said, re.MULTILINE)


def test_the_schema_stands_beside_the_file_which_names_it(written: Written) -> None:
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", written.text)
    assert named
    schema = written.folder / "slos" / named.group(1)

    assert schema.read_text() == schema_text(Described.SLOS) + "\n"
    assert Draft202012Validator(json.loads(schema.read_text())).is_valid(read_document(Path("x"), written.text).data)


class Overloaded:
    """A Prometheus that gives up on what reads a metric over these spans."""

    def __init__(self, door: Prometheus, pattern: str) -> None:
        self._door = door
        self._pattern = pattern

    def query(self, expr: str, at: datetime) -> Answer:
        if re.search(self._pattern, expr):
            raise PrometheusError("timeout", "Prometheus did not answer within 10 s")
        return self._door.query(expr, at)


def without_counts(text: str) -> str:
    """Comments in one line, without how many events there were, which depends on when one looks."""
    unwrapped = re.sub(r"(?<=[0-9a-z,%]) ?\n +# +(?=[a-z0-9%])", " ", text)
    return re.sub(r" % of [0-9,]+(?=[,.] )| % of [0-9,]+(?=[,.]$)", " %", unwrapped, flags=re.MULTILINE)


def proposed_by_an_overloaded(url: str, pattern: str) -> Proposed:
    with closing(Prometheus(Connection(url))) as door:
        return propose(Overloaded(door, pattern), datetime.fromtimestamp(minute(), UTC))


def test_of_what_is_too_much_for_prometheus_over_days_hours_are_looked_at(prometheus: str) -> None:
    found = proposed_by_an_overloaded(prometheus, r"http_requests_total.*\[1d\]")

    remarks = {each.name: each.remarks.get("objective") for each in found.proposals}
    assert without_counts(remarks["http-success"] or "") == "Met in the last 1h: shop 99.09 %."
    assert without_counts(remarks["http-latency"] or "") == "Met in the last 1d: shop 96.00 %."


def test_what_is_too_much_for_prometheus_is_left_out_and_the_rest_is_not(prometheus: str) -> None:
    found = proposed_by_an_overloaded(prometheus, r"increase\(http_requests_total")

    assert LeftOut("http-success", "Prometheus did not answer within 10 s") in found.left_out
    assert "http-latency" in {each.name for each in found.proposals}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answered(monkeypatch: pytest.MonkeyPatch, arguments: list[str], *answers: str) -> Result:
    monkeypatch.setattr(init, "is_terminal", lambda: True)
    return CliRunner().invoke(app, ["init", *arguments], input="".join(f"{answer}\n" for answer in answers))


def test_on_a_terminal_it_asks_which_slos_and_with_which_objectives(
    prometheus: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = ["n"] * 9
    done = answered(monkeypatch, ["--from-prometheus", prometheus], "shop", "y", "200", "85", "", "", *refused)

    assert done.exit_code == 0, done.stderr
    success, latency = load([folder / "slos/shop.yaml"]).slos
    assert (success.service, success.name, success.target.objective) == ("shop", "success", 85)
    assert success.target.overrides == ()  # batch met 90 %
    assert (latency.name, latency.target.objective) == ("latency", 95)
    assert "must be below 100" in done.stderr
    assert "Met in the last 1d" in done.stderr


def test_nothing_is_written_where_no_slo_is_chosen(
    prometheus: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = answered(monkeypatch, ["--from-prometheus", prometheus], "", *["n"] * 11)

    assert done.exit_code == 1
    assert not list(folder.iterdir())


def test_yes_asks_nothing_on_a_terminal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = answered(monkeypatch, ["--yes"])

    assert done.exit_code == 0
    assert load([folder / "slos/agents.yaml"]).slos[0].name == "success"


def test_without_a_prometheus_it_asks_what_an_slo_is_made_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ("shop", "orders_total", 'orders_total{ok="no"}', "region", "99.9")
    done = answered(monkeypatch, [], *answers)

    assert done.exit_code == 0
    (slo,) = load([folder / "slos/shop.yaml"]).slos
    assert slo.sli.written() == {"events": {"total": "orders_total", "errors": 'orders_total{ok="no"}'}}
    assert (slo.by, slo.target.objective) == (("region",), 99.9)


def test_the_comments_of_the_example_are_slos_too(folder: Path) -> None:
    text = CliRunner().invoke(app, ["init", "--out", "-"]).stdout
    opened = re.sub(r"^  # (- |  )", r"  \1", text, flags=re.MULTILINE)

    assert [slo.name for slo in load(opened).slos] == ["success", "latency", "spend"]
    assert not list(folder.iterdir())


def test_an_answer_that_no_slo_file_takes_is_asked_for_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ("Shop", "shop", "rate(orders_total[5m])", "orders_total", "", "slo", "region", "ninety", "100", "99")
    done = answered(monkeypatch, [], *answers)

    assert done.exit_code == 0
    for mistake in (
        "must be lower-case letters",
        "must be one plain selector",
        "is a label that the rules use themselves (slo)",
        "must be a number",
        "must be below 100",
    ):
        assert mistake in done.stderr
    (slo,) = load([folder / "slos/shop.yaml"]).slos
    assert (slo.by, slo.target.objective) == (("region",), 99)


def test_a_service_that_no_slo_file_takes_is_wrong_usage(folder: Path) -> None:
    done = CliRunner().invoke(app, ["init", "--service", "My Shop"])

    assert done.exit_code == 2
    assert "--service My Shop: must be lower-case letters" in done.stderr


@pytest.mark.parametrize("arguments", [["--out", "mine.yaml"], ["--service", "mine", "--out", "mine.yaml"]])
def test_a_file_that_is_there_is_not_overwritten(folder: Path, arguments: list[str]) -> None:
    (folder / "mine.yaml").write_text("mine")

    done = CliRunner().invoke(app, ["init", *arguments])

    assert done.exit_code == 2
    assert "mine.yaml is there already: name another file with --out, or overwrite it with --force" in done.stderr
    assert (folder / "mine.yaml").read_text() == "mine"
    assert CliRunner().invoke(app, ["init", *arguments, "--force"]).exit_code == 0
    assert load([folder / "mine.yaml"]).slos


def test_the_service_is_called_what_its_file_is_called_unless_one_says_so(folder: Path) -> None:
    for arguments, service in ((["--out", "billing.yaml"], "billing"), (["--out", "Mine 2.yaml"], "agents")):
        assert CliRunner().invoke(app, ["init", *arguments]).exit_code == 0
        assert {slo.service for slo in load([Path(arguments[1])]).slos} == {service}
    assert CliRunner().invoke(app, ["init", "--service", "a", "--out", "b.yaml"]).exit_code == 0
    assert {slo.service for slo in load([Path("b.yaml")]).slos} == {"a"}


def test_the_usual_file_is_not_overwritten_either(folder: Path) -> None:
    assert CliRunner().invoke(app, ["init"]).exit_code == 0
    assert CliRunner().invoke(app, ["init"]).exit_code == 2


def test_a_schema_that_is_there_stays(folder: Path) -> None:
    (folder / "slo-file.json").write_text("mine")

    assert CliRunner().invoke(app, ["init", "--out", "a.yaml"]).exit_code == 0
    assert (folder / "slo-file.json").read_text() == "mine"


def test_a_prometheus_without_such_metrics_is_an_error_that_says_what_is_looked_for(
    tmp_path_factory: pytest.TempPathFactory, folder: Path
) -> None:
    with RealPrometheus(tmp_path_factory.mktemp("empty")) as server:
        done = CliRunner().invoke(app, ["init", "--from-prometheus", server.url])

    assert done.exit_code == 1
    assert "has no metrics that an SLO could be proposed for: those of slo_engine.monitoring" in done.stderr
    assert not list(folder.iterdir())


def test_a_prometheus_that_does_not_answer_is_an_error(folder: Path) -> None:
    done = CliRunner().invoke(app, ["init", "--from-prometheus", "http://127.0.0.1:1"])

    assert done.exit_code == 1
    assert "Prometheus at http://127.0.0.1:1" in done.stderr


def test_options_of_a_connection_go_with_a_prometheus(folder: Path) -> None:
    done = CliRunner().invoke(app, ["init", "--header", "X-Scope-OrgID=a"])

    assert done.exit_code == 2
    assert "go with --from-prometheus" in done.stderr


def test_of_counters_that_are_minutes_old_all_that_they_counted_is_gone_by(
    tmp_path_factory: pytest.TempPathFactory, folder: Path
) -> None:
    database = tmp_path_factory.mktemp("young")
    now = minute()
    samples = {at: float((at - now + 120) * 10) for at in range(now - 120, now + 60, 30)}
    backfill(
        database,
        {
            'agent_requests_total{agent_type="a",status="success"}': {at: 0.6 * each for at, each in samples.items()},
            'agent_requests_total{agent_type="a",status="error"}': {at: 0.4 * each for at, each in samples.items()},
            'llm_cost_usd_total{agent_type="a"}': samples,
        },
    )
    with RealPrometheus(database) as server:
        done = CliRunner().invoke(app, ["init", "--from-prometheus", server.url, "--out", "-"])

    assert done.exit_code == 0, done.stderr
    success, spend = load(done.stdout).slos
    assert success.target.objective == 50
    assert "# Met since the counters began: a 60.00 %." in without_counts(done.stdout)
    assert re.search(r"a 60\.00 % of [1-9][0-9,]*\.", done.stdout)
    assert spend.sli.written()["cost"]["budget"] == "100 USD"
    assert "# Too little was spent yet to go by: write what may be spent." in done.stdout
