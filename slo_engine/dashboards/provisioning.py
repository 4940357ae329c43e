"""The files by which Grafana finds the dashboards and the Prometheus of `deploy/compose.yaml` when it starts."""

from __future__ import annotations

import json
from dataclasses import dataclass

FOLDER = "/etc/grafana/dashboards/slo-engine"
"""Where the dashboards are in the container."""

HEADER = "# Written by `slo-engine dashboards`; do not edit this.\n"

TRACE_ID = "{trace_id}"
"""What stands for the trace in an address."""


@dataclass(frozen=True)
class Datasource:
    """The Prometheus that has the metrics. ``trace_url``: the address of a trace, with ``{trace_id}``."""

    uid: str
    url: str
    trace_url: str


def dashboards_file() -> str:
    """``provisioning/dashboards``: which folder is read."""
    return f"""{HEADER}apiVersion: 1
providers:
  - name: slo-engine
    folder: SLOs
    type: file
    allowUiUpdates: false
    options:
      path: {FOLDER}
"""


def datasources_file(source: Datasource) -> str:
    """``provisioning/datasources``: Prometheus, and where the trace of an exemplar is shown."""
    # Grafana puts environment variables into this file: a dollar that is meant is written twice.
    trace = source.trace_url.replace("$", "$$").replace(TRACE_ID, "$${__value.raw}")
    return f"""{HEADER}apiVersion: 1
datasources:
  - name: Prometheus
    uid: {json.dumps(source.uid)}
    type: prometheus
    access: proxy
    url: {json.dumps(source.url)}
    isDefault: true
    jsonData:
      httpMethod: POST
      # The scrape interval, from which $__rate_interval is reckoned.
      timeInterval: 15s
      exemplarTraceIdDestinations:
        - name: trace_id
          url: {json.dumps(trace)}
          urlDisplayLabel: Show the trace
"""
