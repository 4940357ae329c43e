from __future__ import annotations

from pathlib import Path

import pytest

from slo_engine.definitions import (
    Budget,
    Duration,
    EventsSli,
    Problem,
    Slo,
    SloFileError,
    TierAlerting,
    TraceQuery,
    examine,
    find_files,
    load,
)
from slo_engine.definitions.traces import Slow
from tests.definitions.writing import EVENTS, slo, slo_file, write

SHIPPED = Path(__file__).parents[2] / "slos"


def only_slo(path: Path) -> Slo:
    (loaded,) = load([path]).slos
    return loaded


def places(problems: tuple[Problem, ...]) -> list[str]:
    return [f"{problem.file.name}:{problem.line}:{problem.column}" for problem in problems]


def test_the_shipped_slos_load() -> None:
    loaded = load([SHIPPED])

    assert [each.name for each in loaded.slos if each.service == "agents"] == [
        *("success", "latency", "tool-calls", "spend", "answers")
    ]
    assert [each.name for each in loaded.slos if each.service == "slo-engine"] == ["accepted-webhooks", "delivery"]
    assert loaded.services == ("agents", "slo-engine")
    assert len([each for each in loaded.thresholds if each.service == "agents"]) == 6
    success = loaded.find("agents", "success")
    assert success is not None
    assert success.objective_for({"agent_type": "batch_agent"}) == 95
    assert success.objective_for({"agent_type": "support_agent"}) == 98
    assert [str(tier.long) for tier in success.tiers] == ["10m", "1h", "6h", "1d", "3d"]


def test_the_first_override_that_matches_a_group_gives_its_objective(tmp_path: Path) -> None:
    text = slo_file(
        slo(
            "success",
            "by: [agent_type, model]",
            "overrides:",
            "  - {match: {agent_type: batch, model: small}, objective: 90}",
            "  - {match: {agent_type: batch}, objective: 95}",
            "  - {match: {model: small}, objective: 96}",
        )
    )
    loaded = only_slo(write(tmp_path / "a.yaml", text))

    assert loaded.objective_for({"agent_type": "batch", "model": "small"}) == 90
    assert loaded.objective_for({"agent_type": "batch", "model": "large"}) == 95
    assert loaded.objective_for({"agent_type": "support", "model": "small"}) == 96
    assert loaded.objective_for({"agent_type": "support", "model": "large"}) == 98
    assert loaded.objective_for({}) == 98
    assert loaded.budget_for({"agent_type": "batch", "model": "small"}) is None


def test_the_first_override_that_matches_a_group_gives_its_budget(tmp_path: Path) -> None:
    text = """\
version: slo-engine/v1
service: agents
slos:
  - name: spend
    by: [agent_type]
    sli: {cost: {spend: llm_cost_usd_total, budget: 3000 USD}}
    overrides:
      - {match: {agent_type: batch}, budget: 99.50 USD}
      - {match: {agent_type: batch}, budget: 1 USD}
"""
    loaded = only_slo(write(tmp_path / "a.yaml", text))

    assert loaded.budget_for({"agent_type": "batch"}) == Budget(99.5, "USD")
    assert loaded.budget_for({"agent_type": "support"}) == Budget(3000, "USD")
    assert loaded.target.objective is None
    assert loaded.objective_for({"agent_type": "batch"}) is None


DEFAULTS = """\
owner: ai
labels: {team: ai}
defaults:
  window: 14d
  by: [agent_type]
  objective: 99
  alerting: {policy: google, min_events: 10, absent: 10m, page: {labels: {route: phone}}}
  traces: {tags: [production]}
"""


def test_an_slo_takes_what_it_does_not_say_from_the_defaults(tmp_path: Path) -> None:
    item = f"  - {{name: success, sli: {{{EVENTS}}}}}"
    loaded = only_slo(write(tmp_path / "a.yaml", slo_file(item, head=DEFAULTS)))

    assert (loaded.target.objective, loaded.window, loaded.by) == (99, Duration.parse("14d"), ("agent_type",))
    assert (loaded.owner, loaded.labels) == ("ai", {"team": "ai"})
    assert (loaded.policy.name, loaded.min_events, loaded.absent) == ("google", 10, Duration.parse("10m"))
    assert loaded.alerting["page"] == TierAlerting(labels={"route": "phone"})
    assert loaded.traces == TraceQuery(("production",))


def test_what_an_slo_says_itself_goes_over_the_defaults_key_by_key(tmp_path: Path) -> None:
    item = slo("success", "window: 7d", "by: []", "alerting: {min_events: 0, ticket: {disabled: true}}", objective=97)
    loaded = only_slo(write(tmp_path / "a.yaml", slo_file(item, head=DEFAULTS)))

    assert (loaded.target.objective, loaded.window, loaded.by) == (97, Duration.parse("7d"), ())
    assert (loaded.min_events, loaded.absent) == (0, Duration.parse("10m"))
    assert loaded.alerting["page"].labels == {"route": "phone"}
    assert {tier.severity for tier in loaded.tiers} == {"page"}


def test_without_defaults_an_slo_has_thirty_days_and_the_google_policy(tmp_path: Path) -> None:
    loaded = only_slo(write(tmp_path / "a.yaml", slo_file(slo("success", "by: [model]"))))

    assert (loaded.window, loaded.policy.name, loaded.min_events) == (Duration.parse("30d"), "google", 0)
    assert isinstance(loaded.sli, EventsSli)
    assert loaded.traces is not None
    assert loaded.traces.render({"model": "small"}) == TraceQuery(model="small")


def test_one_error_carries_every_mistake_of_every_file_in_reading_order(tmp_path: Path) -> None:
    write(tmp_path / "b.yaml", slo_file(slo("late", "window: 30", "xyz: 1", objective=100)))
    write(tmp_path / "a.yaml", "version: [")
    write(tmp_path / "c.yaml", slo_file(slo("fine"), service="other"))

    with pytest.raises(SloFileError) as failed:
        load([tmp_path])

    assert places(tuple(failed.value.problems)) == ["a.yaml:1:10", "b.yaml:5:16", "b.yaml:7:13", "b.yaml:8:5"]
    assert str(failed.value).splitlines() == [str(problem) for problem in failed.value.problems]


def test_examine_returns_the_good_slos_beside_the_mistakes(tmp_path: Path) -> None:
    thresholds = """\
thresholds:
  - {alert: Good, expr: up == 0, severity: warning, summary: Down}
  - {alert: Bad, expr: up ==, severity: warning, summary: Down}
"""
    write(tmp_path / "a.yaml", slo_file(slo("bad", objective=100), slo("good")) + thresholds)
    write(tmp_path / "b.yaml", slo_file(slo("fine"), service="other"))
    loaded = examine([tmp_path])

    assert [each.key for each in loaded.slos.slos] == [("agents", "good"), ("other", "fine")]
    assert [each.alert for each in loaded.slos.thresholds] == ["Good"]
    assert places(loaded.problems) == ["a.yaml:5:16", "a.yaml:12:24"]


@pytest.mark.parametrize("head", ["labels: {le: x}\n", "owner: 5\n"])
def test_nothing_of_a_file_with_a_broken_head_is_good(head: str, tmp_path: Path) -> None:
    threshold = "thresholds: [{alert: Down, expr: up == 0, severity: warning, summary: Down}]\n"
    loaded = examine([write(tmp_path / "a.yaml", slo_file(head=head) + threshold)])

    assert not loaded.slos.slos
    assert not loaded.slos.thresholds
    assert len(loaded.problems) == 1


def test_the_second_of_two_slos_with_one_name_in_two_files_names_the_first(tmp_path: Path) -> None:
    first = write(tmp_path / "a.yaml", slo_file(slo("other"), slo("success")))
    write(tmp_path / "b.yaml", slo_file(slo("success", objective=90)))
    loaded = examine([tmp_path])

    assert places(loaded.problems) == ["b.yaml:4:11"]
    assert f"exists already, at {first}:7" in loaded.problems[0].message
    kept = loaded.slos.find("agents", "success")
    assert kept is not None
    assert kept.target.objective == 98


def test_two_services_may_use_the_same_names(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", slo_file(service="one"))
    write(tmp_path / "b.yaml", slo_file(service="two"))

    assert load([tmp_path]).services == ("one", "two")


def test_an_alert_may_be_named_like_an_slo(tmp_path: Path) -> None:
    threshold = "thresholds: [{alert: success, expr: up == 0, severity: warning, summary: Down}]\n"

    assert not examine([write(tmp_path / "a.yaml", slo_file() + threshold)]).problems


OWN_POLICY = (
    "version: slo-engine/v1\npolicies:\n  - {name: own, tiers: [{severity: page, long: 1h, short: %s, factor: 5}]}\n"
)


def test_a_policy_of_one_file_serves_all_files(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", slo_file(slo("success", "alerting: {policy: own}")))
    write(tmp_path / "b.yaml", OWN_POLICY % "5m")

    assert [tier.factor for tier in load([tmp_path]).slos[0].tiers] == [5]


@pytest.mark.parametrize("short", ["2h", "1m"])
def test_a_broken_policy_is_one_mistake_however_many_slos_use_it(short: str, tmp_path: Path) -> None:
    uses = "alerting: {policy: own}"
    write(tmp_path / "a.yaml", slo_file(slo("one", uses), slo("two", uses), slo("three")))
    write(tmp_path / "b.yaml", OWN_POLICY % short)
    loaded = examine([tmp_path])

    assert places(loaded.problems) == ["b.yaml:3:59"]
    assert [each.name for each in loaded.slos.slos] == ["three"]


def test_files_are_found_in_folders_below_but_not_where_they_are_hidden(tmp_path: Path) -> None:
    """As Kubernetes mounts a ConfigMap: the file itself is a link into a hidden folder."""
    real = write(tmp_path / "..2026_11_23" / "agents.yaml", slo_file())
    (tmp_path / "..data").symlink_to(real.parent, target_is_directory=True)
    (tmp_path / "agents.yaml").symlink_to(Path("..data") / "agents.yaml")
    deep = write(tmp_path / "team" / "search.yml", slo_file(service="search"))
    write(tmp_path / "team" / "notes.txt", "no SLO file")

    assert find_files([tmp_path]) == ([tmp_path / "agents.yaml", deep], [])
    assert load([tmp_path]).services == ("agents", "search")


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", slo_file())

    assert len(load([tmp_path, file, tmp_path]).slos) == 1


def test_no_key_of_a_file_breaks_the_lines_of_the_output(tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", slo_file(head='"x\\ny\\e[31m": 1\n'))
    (problem,) = examine([file]).problems

    assert str(problem).isprintable()


def test_a_label_named_like_a_method_of_a_mapping_is_a_label(tmp_path: Path) -> None:
    (tmp_path / "slos.yaml").write_text(
        "version: slo-engine/v1\nservice: agents\nslos:\n"
        "  - name: a\n    objective: 98\n    by: [items]\n    sli: {events: {total: a_total, errors: b_total}}\n"
        '    traces: {tags: ["items:{{ labels.items }}"]}\n'
    )
    (slo,) = load([tmp_path]).slos
    assert slo.traces is not None
    assert slo.traces.render({"items": "x"}).tags == ("items:x",)


def test_a_text_is_loaded_like_a_file_and_its_mistakes_name_it() -> None:
    text = slo_file(slo("success"))
    assert [each.name for each in load(text).slos] == ["success"]
    with pytest.raises(SloFileError, match=r"<text>:\d+:\d+: slos\[0\]\.objective: must be below 100"):
        load(slo_file(slo("success", objective=100)))


def test_texts_are_loaded_together_under_their_names(tmp_path: Path) -> None:
    texts = {"a.yaml": slo_file(slo("one")), "b.yaml": slo_file(slo("one"))}
    loaded = examine(texts)
    assert [str(problem.file) for problem in loaded.problems] == ["b.yaml"]
    for name, content in texts.items():
        write(tmp_path / name, content)
    assert [each.message for each in examine([tmp_path]).problems] == [
        each.message.replace("a.yaml", str(tmp_path / "a.yaml")) for each in loaded.problems
    ]


@pytest.mark.parametrize("text", ["", "[1]", "# Written by slo-engine from SLO files.\ngroups: []\n", "x" * 3_000_000])
def test_a_text_that_is_not_an_slo_file_is_a_mistake(text: str) -> None:
    assert len(examine(text).problems) == 1


def test_a_missing_objective_is_one_mistake_whatever_the_policy(tmp_path: Path) -> None:
    text = slo_file(slo("success", "alerting: {policy: page-at-5x}")).replace("objective: 98", "description: none")
    assert [problem.message for problem in examine(text).problems] == [
        "objective is missing: write `objective: 98` (percent of good events)"
    ]


HTTP = "events: {total: http_requests_total, errors: http_errors_total}"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (f"by: [agent_type]\n    sli: {{{HTTP}}}", TraceQuery(tags=("agent_type:{{ labels.agent_type }}",))),
        (f"by: [tool_name]\n    sli: {{{HTTP}}}", TraceQuery(observation="{{ labels.tool_name }}")),
        (
            'sli: {events: {total: \'a_total{agent_type="x"}\', errors: \'b_total{agent_type="x",code="500"}\'}}',
            TraceQuery(tags=("agent_type:x",)),
        ),
        ("sli: {events: {total: 'a_total{agent_type=\"x\"}', errors: b_errors_total}}", None),
        ("sli: {events: {total: 'a_total{agent_type=~\"x\"}', errors: 'b_errors_total{agent_type=~\"x\"}'}}", None),
        (f"sli: {{{HTTP}}}", None),
        (f"by: [customer]\n    sli: {{{HTTP}}}", None),
        (f"by: [agent_type]\n    sli: {{{HTTP}}}\n    traces: false", None),
        (f"sli: {{{HTTP}}}\n    traces: {{environment: production}}", TraceQuery(environment="production")),
        (f"sli: {{{HTTP}}}\n    traces: {{tags: []}}", TraceQuery()),
        ("sli: {slices: {good: 'up == bool 1'}}\n    by: [agent_type]", None),
    ],
)
def test_an_slo_is_tied_to_traces_by_what_it_writes_or_by_labels_of_the_library(
    tmp_path: Path, item: str, expected: TraceQuery | None
) -> None:
    loaded = only_slo(write(tmp_path / "a.yaml", slo_file(f"  - name: a\n    objective: 99\n    {item}")))
    assert loaded.traces == expected
    is_declined = "traces: false" in item
    assert loaded.lacks_traces is (expected is None and not is_declined)


@pytest.mark.parametrize(
    ("histogram", "event"),
    [
        ("agent_request_duration_seconds", "run"),
        ("llm_call_duration_seconds", "model_call"),
        ("llm_time_to_first_token_seconds", "first_token"),
        ("vllm:time_to_first_token_seconds", "first_token"),
        ("litellm_llm_api_latency_metric", "model_call"),
        ("http_request_duration_seconds", "run"),
        ("vllm:time_per_output_token_seconds", None),
        ("vllm:request_queue_time_seconds", None),
    ],
)
def test_a_latency_slo_is_explained_by_what_its_histogram_measures(
    tmp_path: Path, histogram: str, event: str | None
) -> None:
    item = f"  - name: a\n    objective: 99\n    sli: {{latency: {{histogram: '{histogram}', threshold: 2s}}}}"
    explained = only_slo(write(tmp_path / "a.yaml", slo_file(item))).sli.explained_by
    assert (None if explained is None else explained) == (Slow(2.0, event) if event else None)  # type: ignore[arg-type]
