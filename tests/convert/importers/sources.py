"""Sources in the shapes that people write, one for each format, with most of the keys that it has."""

from __future__ import annotations

from pathlib import Path

from slo_engine.convert.importers import Imported, import_files

SLOTH = """\
version: "prometheus/v1"
service: "checkout"
labels:
  owner: "payments"
  tier: "1"
slo_plugins:
  chain: [{id: "sloth.dev/contrib/info_labels/v1"}]
slos:
  - name: "requests-availability"
    objective: 99.9
    description: "Requests are answered."
    labels: {category: availability}
    plugins: {chain: [{id: "sloth.dev/core/debug/v1", priority: 10}]}
    sli:
      events:
        error_query: sum(rate(http_requests_total{job="checkout",code=~"(5..|429)"}[{{.window}}])) or vector(0)
        total_query: sum(rate(http_requests_total{job="checkout"}[{{.window}}]))
    alerting:
      name: CheckoutHighErrorRate
      labels: {area: web}
      annotations: {runbook: "https://example.org/runbook"}
      page_alert:
        labels: {severity: critical, pager: payments}
      ticket_alert:
        disable: true
  - name: "requests-latency"
    objective: 95
    sli:
      events:
        error_query: |
          (
            sum(rate(http_request_duration_seconds_count{job="checkout"}[{{.window}}]))
            -
            sum(rate(http_request_duration_seconds_bucket{job="checkout",le="0.4"}[{{.window}}]))
          )
        total_query: sum(rate(http_request_duration_seconds_count{job="checkout"}[{{.window}}]))
    alerting: {name: CheckoutSlow, page_alert: {}, ticket_alert: {labels: {severity: warning}}}
  - name: "satisfaction"
    objective: 99
    sli:
      plugin: {id: "getting_started_availability", options: {job: checkout}}
    alerting: {name: Unhappy}
"""

SLOTH_IN_KUBERNETES = """\
apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: {name: checkout-slos, namespace: monitoring}
spec:
  service: "checkout"
  slos:
    - name: "requests-availability"
      objective: 99.9
      sli:
        events:
          errorQuery: sum by (region) (rate(http_requests_total{code=~"5.."}[{{ .window }}]))
          totalQuery: sum by (region) (rate(http_requests_total[{{ .window }}]))
      alerting:
        pageAlert: {labels: {pager: payments}}
        ticketAlert: {annotations: {summary: "{{ $labels.region }} fails"}}
---
apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: {name: search-slos}
spec:
  service: "search"
  slos:
    - name: "requests-availability"
      objective: 99
      sli:
        raw:
          errorRatioQuery: |
            1 - (sum(rate(search_total{code!~"5.."}[{{.window}}])) / sum(rate(search_total[{{.window}}])))
      alerting: {pageAlert: {disable: true}, ticketAlert: {disable: true}}
status: {ready: true}
"""

SLOTH_WINDOWS = """\
apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: 7d
  page:
    quick: {errorBudgetPercent: 8, shortWindow: 5m, longWindow: 1h}
    slow: {errorBudgetPercent: 12.5, shortWindow: 30m, longWindow: 6h}
  ticket:
    quick: {errorBudgetPercent: 20, shortWindow: 2h, longWindow: 1d}
    slow: {errorBudgetPercent: 42, shortWindow: 6h, longWindow: 3d}
"""

OPENSLO = """\
apiVersion: openslo/v1
kind: Service
metadata: {name: web-shop, displayName: Web shop}
spec: {description: Sells things.}
---
apiVersion: openslo/v1
kind: DataSource
metadata: {name: our-prometheus}
spec: {type: Prometheus, connectionDetails: {url: "http://prometheus:9090"}}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: fast-searches, displayName: Fast searches}
spec:
  description: Searches that end within half a second.
  ratioMetric:
    counter: true
    good:
      metricSource:
        metricSourceRef: our-prometheus
        type: Prometheus
        spec: {query: 'sum(rate(search_seconds_bucket{le="0.5"}[5m]))'}
    total:
      metricSource:
        metricSourceRef: our-prometheus
        type: Prometheus
        spec: {query: 'sum(rate(search_seconds_count[$__rate_interval]))'}
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: search-speed
  displayName: Search speed
  labels: {team: search, area: [web, shop]}
  annotations: {example.com/dashboard: "https://example.org"}
spec:
  description: Searches are fast.
  service: web-shop
  indicatorRef: fast-searches
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives:
    - {displayName: Most, target: 0.99}
    - {displayName: Nearly all, targetPercent: 99.9}
  alertPolicies:
    - alertPolicyRef: burns-fast
    - kind: AlertPolicy
      metadata: {name: burns-slowly, displayName: Burns slowly}
      spec:
        description: A ticket.
        alertWhenBreaching: true
        alertWhenResolved: true
        alertWhenNoData: true
        conditions:
          - kind: AlertCondition
            metadata: {name: slow-burn, displayName: Slow burn}
            spec:
              description: Over one.
              severity: warning
              condition: {kind: burnrate, op: gte, threshold: 1, lookbackWindow: 3d, alertAfter: 30m}
        notificationTargets: [{targetRef: mail}]
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: burns-fast}
spec:
  alertWhenBreaching: true
  conditions: [{conditionRef: fast-burn}]
  notificationTargets: [{targetRef: pager}]
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast-burn, annotations: {slo-engine/short-window: 10m}}
spec:
  severity: page
  condition: {kind: burnrate, op: gt, threshold: 10, lookbackWindow: 2h, alertAfter: 0m}
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: pager}
spec: {target: pagerduty, description: Wakes somebody.}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: orders}
spec:
  service: web-shop
  indicator:
    metadata: {name: orders}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'orders_total{state="failed"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: orders_total}}}
  timeWindow:
    - duration: 1M
      isRolling: false
      calendar: {startTime: 2022-01-01 12:00:00, timeZone: America/New_York}
  budgetingMethod: RatioTimeslices
  objectives: [{op: gt, value: 1, target: 0.995, timeSliceWindow: 1m}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: visits}
spec:
  service: web-shop
  indicator:
    spec:
      ratioMetric:
        good: {metricSource: {type: Datadog, spec: {query: "sum:requests{status:2xx}"}}}
        total: {metricSource: {type: Datadog, spec: {query: "sum:requests"}}}
  budgetingMethod: Occurrences
  objectives: [{target: 0.9, compositeWeight: 2}]
"""

OPENSLO_ALPHA = """\
- apiVersion: openslo/v1alpha
  kind: SLO
  metadata: {name: requests-latency, displayName: Requests Latency}
  spec:
    service: k8s-apiserver
    budgetingMethod: Occurrences
    objectives:
      - ratioMetrics:
          incremental: true
          good:
            source: prometheus
            queryType: promql
            query: sum(rate(apiserver_request_duration_seconds_bucket{le="0.4",verb!="WATCH"}[{{.window}}]))
          total:
            source: prometheus
            queryType: promql
            query: sum(rate(apiserver_request_duration_seconds_count{verb!="WATCH"}[{{.window}}]))
            metadata: {team: infra}
        target: 0.99
    timeWindows: [{count: 2, unit: Week, isRolling: true}]
"""

PYRRA = """\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata:
  name: api-errors
  namespace: shop
  labels: {prometheus: k8s, role: alert-rules, pyrra.dev/team: payments}
  annotations: {pyrra.dev/runbook_url: "https://example.org/runbook", other: x}
spec:
  description: The API answers.
  target: "99.5"
  window: 4w
  partial_response_strategy: warn
  performanceOverAccuracy: true
  indicator:
    ratio:
      errors: {metric: 'http_requests_total{job="api",code=~"5.."}'}
      total: {metric: 'http_requests_total{job="api"}'}
      grouping: [handler]
  alerting:
    name: ApiBudgetBurn
    severities: {fastBurn: p1}
---
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: api-latency, namespace: shop}
spec:
  target: "90"
  window: 2w
  indicator:
    latency:
      success: {metric: 'http_request_duration_seconds_bucket{job="api",le="1.0"}'}
      total: {metric: 'http_request_duration_seconds_count{job="api"}'}
  alerting: {burnrates: true, absent: false}
---
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: api-slow-errors, namespace: shop}
spec:
  target: "99"
  window: 2w
  indicator:
    latency:
      success: {metric: 'http_request_duration_seconds_bucket{job="api",code!~"5..",le="1"}'}
      total: {metric: 'http_request_duration_seconds_count{job="api"}'}
  alerting: {disabled: true}
"""

ALL = {
    "sloth": SLOTH,
    "sloth in kubernetes": SLOTH_IN_KUBERNETES,
    "sloth with its windows": f"{SLOTH}---\n{SLOTH_WINDOWS}",
    "openslo": OPENSLO,
    "openslo alpha": OPENSLO_ALPHA,
    "pyrra": PYRRA,
}


def imported(folder: Path, text: str, name: str = "source.yaml", **options: str) -> Imported:
    """Write a source and import it."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return import_files([file], options.get("format_name"), options.get("service"))
