"""The labels of another tool in the texts of its alerts become ours, or a note says that they stay empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slo_engine.convert.importers import pyrra, sloth
from slo_engine.convert.importers.alert_texts import Alert, translated
from slo_engine.definitions import load
from tests.convert.importers.sources import imported
from tests.convert.importers.test_formats import slo
from tests.rules.promtool import Notified, compare

SLOTH = sloth.WORDS
PYRRA = pyrra.WORDS
ALERT = Alert("page", "page", ("region",), {"team": "pay", "quoted": 'a"b', "made": "{{ $labels.x }}"})
CRITICAL = Alert("page", "critical", (), {"job": "api"})


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("{{ $labels.sloth_service }}", "{{ $labels.slo_service }}"),
        ("{{$labels.sloth_slo}}", "{{$labels.slo}}"),
        ("{{- .Labels.sloth_slo -}}", "{{- .Labels.slo -}}"),
        ("{{ $.Labels.sloth_slo }}", "{{ $.Labels.slo }}"),
        ('{{ index $labels "sloth_service" }}', '{{ index $labels "slo_service" }}'),
        ("{{ index .Labels `sloth_service` | toUpper }}", '{{ index .Labels "slo_service" | toUpper }}'),
        (
            '{{ printf "%s/%s" $labels.sloth_service $labels.sloth_slo }}',
            '{{ printf "%s/%s" $labels.slo_service $labels.slo }}',
        ),
        ("{{ with $labels }}{{ .sloth_slo }}{{ end }}", "{{ with $labels }}{{ .slo }}{{ end }}"),
        ("{{ $l := $labels }}{{ $l.sloth_slo }}", "{{ $l := $labels }}{{ $l.slo }}"),
        ("https://x/{{ $labels.sloth_id }}?a", "https://x/{{ $labels.slo_service }}-{{ $labels.slo }}?a"),
        ("a {{- $labels.sloth_id -}} b", "a {{- $labels.slo_service }}-{{ $labels.slo -}} b"),
        ("{{ $labels.sloth_id | toUpper }}", '{{ (printf "%s-%s" $labels.slo_service $labels.slo) | toUpper }}'),
        ('{{ index $labels "sloth_id" | title }}', '{{ printf "%s-%s" $labels.slo_service $labels.slo | title }}'),
        ("({{ $labels.sloth_severity }})", "(page)"),
        ('{{ if eq $labels.sloth_severity "page" }}!{{ end }}', '{{ if eq "page" "page" }}!{{ end }}'),
        ("{{ $labels.team }}", "pay"),
        ("{{- $labels.team -}}", '{{- "pay" -}}'),
        ("{{ $labels.quoted | toUpper }}", '{{ "a\\"b" | toUpper }}'),
        ("{{ $labels.region }} {{ $value }}", "{{ $labels.region }} {{ $value }}"),
        ("{{ range $k, $v := $labels }}{{ $k }}{{ end }}", "{{ range $k, $v := $labels }}{{ $k }}{{ end }}"),
        ('{{ "}} $labels.sloth" }}{{ $labels.sloth_slo }}', '{{ "}} $labels.sloth" }}{{ $labels.slo }}'),
        ("{{/* $labels.none */}}{{ $externalLabels.cluster }}", "{{/* $labels.none */}}{{ $externalLabels.cluster }}"),
        ("no template", "no template"),
    ],
)
def test_sloths_labels_become_ours(theirs: str, ours: str) -> None:
    assert translated(theirs, SLOTH, ALERT) == (ours, [])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("{{ $labels.slo }} {{ $labels.severity }}", "{{ $labels.slo }} critical"),
        ('{{ index $labels "severity" | toUpper }}', '{{ "critical" | toUpper }}'),
        ("{{ $labels.job }}", "api"),
        ("before the exhaustion of its budget", "before the exhaustion of its budget"),
    ],
)
def test_pyrras_labels_become_ours(theirs: str, ours: str) -> None:
    assert translated(theirs, PYRRA, CRITICAL) == (ours, [])


@pytest.mark.parametrize(
    ("words", "theirs", "ours", "said"),
    [
        (
            SLOTH,
            "{{ $labels.sloth_window }}",
            "{{ $labels.long_window }}",
            "$labels.long_window }} stays empty: Prometheus",
        ),
        (PYRRA, "{{ $labels.long }}", "{{ $labels.long_window }}", "$labels.long_window }} stays empty: Prometheus"),
        (
            PYRRA,
            '{{ index $labels "short" }}',
            '{{ index $labels "short_window" }}',
            "$labels.short_window }} stays empty",
        ),
        (PYRRA, "{{ .Labels.exhaustion }}", None, "$labels.exhaustion }} stays empty: nothing here stands for it"),
        (PYRRA, "{{ with $labels }}{{ .exhaustion }}{{ end }}", None, "$labels.exhaustion }} stays empty"),
        (SLOTH, "{{ $labels.sloth_objective }}", None, "$labels.sloth_objective }} stays empty: nothing"),
        (SLOTH, "{{ $labels.instance }}", None, "$labels.instance }} stays empty: the series here have slo_service"),
        (SLOTH, "{{ $labels.alertname }}", None, "$labels.alertname }} stays empty"),
        (SLOTH, "{{ $labels.made }}", None, "$labels.made }} stays empty"),
        (PYRRA, '{{ if index .Labels "pod" }}x{{ end }}', None, "$labels.pod }} stays empty"),
        (SLOTH, "https://x/?var-sloth_service=a", None, "it names sloth_service"),
        (
            SLOTH,
            '{{ query "slo:current_burn_rate:ratio" | first | value }}',
            None,
            "it names slo:current_burn_rate:ratio",
        ),
        (SLOTH, """{{ query `up{a="{{"} or sloth_slo_info` }}""", None, "it names sloth_slo_info"),
        (PYRRA, '{{ query "http_requests:burnrate5m" }}', None, "it names http_requests:burnrate5m"),
    ],
)
def test_what_would_stay_empty_is_said(words: Any, theirs: str, ours: str | None, said: str) -> None:
    text, (remark,) = translated(theirs, words, ALERT)
    assert text == (ours or theirs)
    assert said in remark


def test_where_the_alert_is_not_known_its_labels_are_renamed_and_no_more() -> None:
    assert translated("{{ $labels.sloth_slo }} {{ $labels.pod }}", SLOTH, None) == (
        "{{ $labels.slo }} {{ $labels.pod }}",
        [],
    )


FROM_SLOTH = """\
version: prometheus/v1
service: checkout
labels: {team: pay}
slos:
  - name: availability
    objective: 99
    sli:
      events:
        error_query: sum by (region) (rate(http_requests_total{code="500"}[{{.window}}]))
        total_query: sum by (region) (rate(http_requests_total[{{.window}}]))
    alerting:
      labels: {routing: "{{ $labels.sloth_service }}"}
      annotations:
        text: "{{$labels.sloth_service}} / {{$labels.sloth_slo}}, {{$labels.region}} ({{$labels.sloth_severity}})"
        runbook: "https://example.com/{{ $labels.sloth_id }}"
        routed: "to {{ index $labels `team` }}/{{ .Labels.area }}"
      page_alert: {labels: {area: web}}
      ticket_alert: {disable: true}
"""


def test_prometheus_fills_in_what_was_translated(tmp_path: Path) -> None:
    got = imported(tmp_path, FROM_SLOTH)
    (tmp_path / "checkout.yaml").write_text(got.files[0].text, encoding="utf-8")
    series = {f'http_requests_total{{code="{code}",region="eu"}}': "0+60x90" for code in ("200", "500")}
    other = Notified(
        "80m", "SLOErrorBudgetBurn", {}, {}
    )  # promtool shows what there is only where it is not as expected
    said = compare(tmp_path, load([tmp_path / "checkout.yaml"]), series, {"": [other]})[""]
    assert 'text="checkout / availability, eu (page)"' in said
    assert 'runbook="https://example.com/checkout-availability"' in said
    assert 'routed="to pay/web"' in said
    assert 'routing="checkout"' in said


def test_pyrras_matchers_are_the_labels_that_its_alerts_had(tmp_path: Path) -> None:
    got = imported(
        tmp_path,
        """\
apiVersion: v1alpha1
kind: ServiceLevelObjective
metadata:
  name: cart
  namespace: shop
  labels: {pyrra.dev/team: web}
  annotations:
    pyrra.dev/text: "{{$labels.slo}} {{$labels.job}} {{$labels.team}} {{$labels.severity}} {{$labels.handler}}"
spec:
  target: "99"
  window: 4w
  indicator:
    ratio:
      errors: {metric: 'http_requests_total{job="api",code=~"5.."}'}
      total: {metric: 'http_requests_total{job="api"}'}
      grouping: [handler]
""",
    )
    assert slo(got, "cart")["alerting"]["page"]["annotations"] == {
        "text": "{{$labels.slo}} api web critical {{$labels.handler}}"
    }


def test_notes_on_texts_stand_before_the_alerting_of_their_slo(tmp_path: Path) -> None:
    got = imported(tmp_path, FROM_SLOTH.replace("{{$labels.region}}", "{{$labels.pod}}"))
    assert "    # changed: slos[0].alerting.annotations.text: {{ $labels.pod }} stays empty" in got.files[0].text


def test_texts_of_an_slo_that_is_a_comment_are_read_all_the_same(tmp_path: Path) -> None:
    got = imported(
        tmp_path, FROM_SLOTH.replace("sum by (region) (rate(http_requests_total[", "avg(rate(http_requests_total[")
    )
    assert [refused.name for refused in got.refused] == ["availability"]
    assert not [note for note in got.notes if "stays empty" in str(note)]
