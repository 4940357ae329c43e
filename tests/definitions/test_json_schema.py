"""The JSON Schema of SLO files: it takes whatever the loader takes, and refuses what is of the wrong form."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from slo_engine.definitions import examine
from slo_engine.definitions.document import read_document
from slo_engine.definitions.json_schema import slo_file_schema
from tests.definitions.test_broken_files import FILES as BROKEN

ROOT = Path(__file__).parents[2]
SCHEMA = slo_file_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

VALID = [file for folder in ("slos", "examples/slos", "benchmarks/causes") for file in (ROOT / folder).glob("*.yaml")]

FORM = re.compile(
    r"unknown key|\w+ is missing: add it|has no value|must not be empty|takes (total and )?exactly one of"
    r"|must be (text|a list|a mapping of keys|a whole number, without|true or false|at most|at least|below 100)"
    r"|must be 'slo-engine"
)
"""What ``validate`` says of the form of a file, as opposed to what it means."""

WITHOUT_A_FORM = {"score-above-infinity", "objective-not-a-number"}
"""Numbers that JSON does not have."""

EVERYTHING = """
version: slo-engine/v1
service: support
owner: ai-platform
labels: {product: helpdesk}
defaults:
  window: 30d
  by: [agent_type]
  objective: 97
  alerting: {policy: mine, min_events: 10, absent: 15m, severities: {page: critical, ticket: warning}}
  traces: false
slos:
  - name: success
    description: Runs end without an error.
    objective: 98
    window: 28d
    by: [agent_type, team]
    sli:
      events: {total: [a_total, b_total], good: 'c_total{x="y"}', series_expire: true, exporter_labels: [x]}
      cost: null
    overrides: [{match: {agent_type: batch}, objective: 95.5}]
    alerting:
      name: MyBurn
      page: {disabled: false, labels: {duty: ai}, annotations: {runbook_url: "https://example.com"}}
      sure: true
      alpha: 0.001
      keep_firing_for: 10m
      exhausted: ticket
    traces: {tags: [a], observation: x, environment: production, metadata: {a: b}}
  - {name: fast, sli: {latency: {histogram: duration_seconds, threshold: 1h30m, native: true}}}
  - {name: minutes, sli: {slices: {good: up == bool 1}}}
  - {name: good, sli: {score: {histogram: score, above: 0.7}}, traces: {score: grounded}}
  - name: spend
    sli:
      cost:
        spend: usd_total
        budget: 3000 USD
        month: Europe/Berlin
        requests: requests_total
        unpriced: unpriced_total
        limits: {hour: 40 USD, request: 0.50 USD, spike: {factor: 3, above: 10USD}}
        exporter_labels: [model]
    overrides: [{match: {agent_type: batch}, budget: 10 USD}]
  - {name: theirs, sli: {template: litellm/availability, where: {team_alias: support}}}
  - {name: calls, sli: {template: otel-genai/latency, threshold: 5s120ms, native: false}}
thresholds:
  - alert: Down
    expr: up == 0
    for: 1m
    severity: page
    summary: it is down
    description: x
    labels: {a: b}
    annotations: {c: d}
policies:
  - {name: mine, tiers: [{severity: page, long: 1h, short: 5m, factor: 10, above: 0.1, alpha: 0.01}]}
"""

VALUES: list[Any] = [None, True, 0, 7, 2.5, "", "x", "30d", "5 USD", [], ["x"], {}, {"x": "y"}]


def parts() -> dict[str, Any]:
    """The file with every key, divided: the head, and each item with what it needs beside it."""
    whole = yaml.safe_load(EVERYTHING)
    items = {name: whole.pop(name) for name in ("slos", "thresholds", "policies")}
    small = {"version": whole["version"], "service": "support", "defaults": {"by": ["agent_type"], "objective": 97}}
    some = {"slos": [{"name": "x", "sli": {"slices": {"good": "up"}}}], "policies": items["policies"]}
    found = {"head": whole | some, "thresholds": small | {"thresholds": items["thresholds"]}}
    found |= {f"slo {item['name']}": small | {"slos": [item]} for item in items["slos"]}
    return found


PARTS = parts()


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def changed(data: Any, path: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """The document with another value at a place, without the place, and with one more key there."""
    *above, last = path
    for value in VALUES:
        copied = copy.deepcopy(data)
        holder = copied
        for key in above:
            holder = holder[key]
        holder[last] = value
        yield f"{path} = {value!r}", copied
    copied = copy.deepcopy(data)
    holder = copied
    for key in above:
        holder = holder[key]
    if isinstance(holder[last], dict):
        holder[last]["surely_unknown"] = "x"
        yield f"{path} and one more", copied
        copied = copy.deepcopy(copied)
        holder = copied
        for key in above:
            holder = holder[key]
    del holder[last]
    yield f"without {path}", copied


def problems_of(data: Any) -> list[str]:
    return [problem.message for problem in examine(yaml.safe_dump(data, sort_keys=False)).problems]


def test_it_is_a_schema_of_its_draft() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_it_takes_the_files_of_this_repository(file: Path) -> None:
    document = read_document(file, file.read_text(encoding="utf-8"))

    assert not [error.message for error in VALIDATOR.iter_errors(document.data)]


def test_it_takes_a_file_with_every_key() -> None:
    data = yaml.safe_load(EVERYTHING)

    assert not problems_of(data)
    assert not [error.message for error in VALIDATOR.iter_errors(data)]


@pytest.mark.parametrize("part", PARTS)
def test_it_takes_whatever_the_loader_takes_and_refuses_what_is_of_the_wrong_form(part: str) -> None:
    data = PARTS[part]
    wrong = []
    taken = refused = 0
    for path in places(data):
        for what, mutant in changed(data, path) if path else ():
            problems = problems_of(mutant)
            valid = VALIDATOR.is_valid(mutant)
            taken += not problems
            if not problems and not valid:
                wrong.append(f"the schema refuses what the loader takes: {what}")
            if any(FORM.match(problem) for problem in problems):
                refused += 1
                if valid:
                    wrong.append(f"the schema takes what the loader refuses: {what}: {problems}")

    assert not wrong, "\n".join(wrong)
    assert taken > 5
    assert refused > 50


def of_the_wrong_form() -> list[Path]:
    found = []
    for file in BROKEN:
        document = read_document(file, file.read_text(encoding="utf-8"))
        messages = [problem.message for problem in examine([file]).problems]
        if document.data is not None and not document.problems and any(FORM.match(each) for each in messages):
            found.append(file)
    return [file for file in found if file.stem not in WITHOUT_A_FORM]


@pytest.mark.parametrize("file", of_the_wrong_form(), ids=lambda file: file.stem)
def test_it_refuses_broken_files_of_the_wrong_form(file: Path) -> None:
    assert not VALIDATOR.is_valid(read_document(file, file.read_text(encoding="utf-8")).data)


def test_many_broken_files_are_of_the_wrong_form() -> None:
    assert len(of_the_wrong_form()) > 30


def test_every_key_says_what_it_means() -> None:
    models = [SCHEMA, *SCHEMA["$defs"].values()]
    mute = [
        name
        for model in models
        for name, key in model.get("properties", {}).items()
        if not re.match(r"[^`]", key.get("description", ""))
    ]

    assert not mute
