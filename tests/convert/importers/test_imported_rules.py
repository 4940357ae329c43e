"""What the rules of an imported file record and send, before the real promtool."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo_engine.definitions import SloSet, load
from tests.convert.importers.sources import imported
from tests.rules.promtool import near, replay

MILLISECONDS = """\
version: prometheus/v1
service: gateway
slos:
  - name: latency
    objective: 99
    sli:
      events:
        error_query: |
          clamp_min(
            sum(rate(istio_request_duration_milliseconds_bucket{job="in",le="+Inf"}[{{.window}}]))
            - sum(rate(istio_request_duration_milliseconds_bucket{job="in",le="500"}[{{.window}}])), 0)
        total_query: sum(rate(istio_request_duration_milliseconds_bucket{job="in",le="+Inf"}[{{.window}}]))
"""


def loaded(folder: Path, source: str) -> SloSet:
    got = imported(folder, source)
    slos = folder / "slos"
    slos.mkdir()
    for file in got.files:
        (slos / file.name).write_text(file.text, encoding="utf-8")
    return load([slos])


@pytest.mark.parametrize("stored", ["500", "500.0"])
def test_fast_requests_are_no_errors_whichever_way_prometheus_stores_the_bound(tmp_path: Path, stored: str) -> None:
    bucket = 'istio_request_duration_milliseconds_bucket{job="in",le="%s"}'
    series = {bucket % "+Inf": "0+60x60", bucket % stored: "0+57x60"}
    ratio = 'slo:sli_error:ratio{slo="latency",slo_service="gateway",slo_window="30m"}'
    replay(tmp_path, loaded(tmp_path, MILLISECONDS), series, near("45m", ratio, 0.05))
