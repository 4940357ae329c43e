"""A configuration of Alertmanager is read as Alertmanager reads it; its own amtool is the judge."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deploy.stack.processes import program
from slo_engine.watch.routing import RoutingError, read

CONFIG = """
route:
  receiver: root
  group_by: [alertname, zone]
  group_wait: 10s
  routes:
    - receiver: exact
      match: {team: a}
    - receiver: regex
      match_re: {team: 'b.*|c'}
      group_interval: 1m
      continue: true
    - receiver: new-style
      matchers: ['team=~"b[0-9]+"', zone != "x"]
      group_by: ['...']
      group_wait: 0s
      routes:
        - receiver: deeper
          matchers: ['severity = "page,or\\"not"']
          mute_time_intervals: [night]
    - receiver: absent
      matchers: ['{owner="", alertname!~"Noise|Fog"}', 'kind="k"']
time_intervals:
  - {name: night, time_intervals: [{times: [{start_time: "22:00", end_time: "24:00"}]}]}
receivers:
  - {name: root}
  - {name: exact}
  - {name: regex, webhook_configs: [{url: "http://engine:8090/webhooks/alertmanager", max_alerts: 100}]}
  - {name: new-style, webhook_configs: [{url: "http://elsewhere/hook"}]}
  - {name: deeper}
  - {name: absent}
"""

ALERTS = [
    {"alertname": "A"},
    {"alertname": "A", "team": "a"},
    {"alertname": "A", "team": "ab"},
    {"alertname": "A", "team": "b"},
    {"alertname": "A", "team": "b1"},
    {"alertname": "A", "team": "b1", "zone": "x"},
    {"alertname": "A", "team": "b22", "severity": 'page,or"not'},
    {"alertname": "A", "kind": "k"},
    {"alertname": "Noise", "kind": "k"},
    {"alertname": "A", "kind": "k", "owner": "me"},
]


@pytest.mark.parametrize("labels", ALERTS, ids=lambda labels: ",".join(f"{k}={v}" for k, v in labels.items()))
def test_an_alert_goes_where_amtool_says(tmp_path: Path, labels: dict[str, str]) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(CONFIG)
    given = ["{}={}".format(name, text.replace('"', r"\"")) for name, text in labels.items()]
    done = subprocess.run(
        [program("amtool", "prometheus-alertmanager"), "config", "routes", "test", f"--config.file={file}", *given],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [route.receiver for route in read(CONFIG).route.matching(labels)] == done.stdout.strip().split(",")


def test_times_and_groups_are_inherited() -> None:
    tree = read(CONFIG).route
    labels = {"alertname": "A", "team": "b1", "severity": 'page,or"not'}
    regex, deeper = tree.matching(labels)
    assert (regex.group_wait, regex.group_interval, regex.has_hours) == (10.0, 60.0, False)
    assert (deeper.group_wait, deeper.group_interval, deeper.has_hours) == (0.0, 300.0, True)
    assert regex.group_of(labels) == {"alertname": "A"}
    assert deeper.group_of(labels) == labels
    (plain,) = tree.matching({"zone": "x"})
    assert plain.group_key({"zone": "x", "other": "y"}) == '{}:{zone="x"}'


def test_receivers_are_ours_by_their_address() -> None:
    configuration = read(CONFIG)
    assert configuration.receivers_at(8090, None) == {"regex"}
    assert configuration.receivers_at(1, "http://engine:8090") == {"regex"}
    assert configuration.most_alerts("regex") == 100
    with pytest.raises(RoutingError, match="name its receivers"):
        configuration.receivers_at(9000, "https://other.example")
    two = CONFIG.replace("http://elsewhere/hook", "http://staging:8090/webhooks/alertmanager")
    with pytest.raises(RoutingError, match="several"):
        read(two).receivers_at(8090, None)
    assert read(two).receivers_at(8090, "http://staging:8090") == {"new-style"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "route: 1",
        "{",
        "route: {receiver: a, match_re: {a: '('}}",
        "route: {receiver: a, matchers: [nonsense]}",
    ],
)
def test_what_cannot_be_read_is_an_error_and_no_crash(text: str) -> None:
    with pytest.raises(RoutingError):
        read(text)
