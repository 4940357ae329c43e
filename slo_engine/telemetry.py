"""The engine's own metrics. Label values are bounded: never an SLO group, a trace or an address."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from slo_engine import __version__

disable_created_metrics()  # type: ignore[no-untyped-call]  # one series less for each child; nothing here reads them

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

BUILD = Gauge("slo_engine_build_info", "The running version.", ["version"], registry=REGISTRY)
BUILD.labels(__version__).set(1)

SLO_FILES_LAST_RELOAD_SUCCESSFUL = Gauge(
    "slo_engine_slo_files_last_reload_successful",
    "Whether the SLO files on disk are those that are loaded.",
    registry=REGISTRY,
)
SLO_FILES_PROBLEMS = Gauge("slo_engine_slo_files_problems", "Mistakes in the SLO files on disk.", registry=REGISTRY)
SLOS = Gauge("slo_engine_slos", "SLOs that are loaded.", registry=REGISTRY)

RULES_ROLLED_OUT = Gauge(
    "slo_engine_rules_rolled_out",
    "Whether Prometheus runs exactly the rules that the SLO files give, and all of them are healthy.",
    ["destination"],  # none before a rollout is configured: an alert on 0 must not fire for who has none
    registry=REGISTRY,
)
RULES_DIFFERENCES = Gauge(
    "slo_engine_rules_differences",
    "Differences between the rules that run and the SLO files.",
    ["destination"],
    registry=REGISTRY,
)

WEBHOOKS = Counter(
    "slo_engine_webhook_requests",
    "Requests from Alertmanager, by how they were answered.",
    ["result"],
    registry=REGISTRY,
)
WEBHOOK_UNKNOWN_SOURCES = Counter(
    "slo_engine_webhook_unknown_sources",
    "Notifications accepted from a source that the settings do not name.",
    registry=REGISTRY,
)
INBOX_QUARANTINED = Counter(
    "slo_engine_inbox_quarantined", "Posted bodies that could not be understood.", registry=REGISTRY
)
NOT_NEWS = Counter(
    "slo_engine_dropped_notifications",
    "Notifications of Alertmanager that were not delivered because they say nothing new: those of the other "
    "Alertmanager of a cluster (twin), and what had ended already when it came (stale).",
    ["reason"],
    registry=REGISTRY,
)
WAITING = Gauge(
    "slo_engine_waiting_messages",
    "What was received and is not in the outbox yet: posted bodies not read yet, notifications that gather evidence.",
    ["step"],
    registry=REGISTRY,
)
MESSAGES = Counter(
    "slo_engine_messages",
    "Notifications completed, by whether all evidence came in time.",
    ["evidence"],
    registry=REGISTRY,
)
EVIDENCE_SECONDS = Histogram(
    "slo_engine_evidence_seconds",
    "How long gathering the evidence of a notification took.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30),
    registry=REGISTRY,
)
EVIDENCE_SOURCES = Counter(
    "slo_engine_evidence_requests", "Requests for evidence.", ["source", "result"], registry=REGISTRY
)
DELIVERIES = Counter(
    "slo_engine_delivery_attempts", "Attempts to deliver a notification.", ["sink", "result"], registry=REGISTRY
)
DELIVERY_SECONDS = Histogram(
    "slo_engine_delivery_seconds",
    "From the request of Alertmanager to the answer of the sink that took the notification.",
    ["sink"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600),
    registry=REGISTRY,
)
DEAD_LETTERS = Counter(
    "slo_engine_dead_letters",
    "Notifications that were given up: refused for good, or not taken for a day.",
    ["sink"],
    registry=REGISTRY,
)
SINK_HELD = Gauge(
    "slo_engine_sink_held",
    "Whether deliveries to a sink are held back after failures, or because it asked for it.",
    ["sink"],
    registry=REGISTRY,
)
SINK_FAILURES = Gauge(
    "slo_engine_sink_failures", "Failed attempts since a sink last took something.", ["sink"], registry=REGISTRY
)
FALLBACKS = Counter(
    "slo_engine_fallback_messages",
    "Notifications that a sink could not take and that went to its fallback, too.",
    ["sink"],
    registry=REGISTRY,
)
TEMPLATE_FAILURES = Counter(
    "slo_engine_template_failures",
    "Notifications that left in the sink's own form because a template of the settings failed.",
    ["sink"],
    registry=REGISTRY,
)
OLDEST_WAITING = Gauge(
    "slo_engine_oldest_waiting_seconds",
    "For how long the oldest has waited: posted body, notification that gathers evidence, delivery to a sink.",
    ["step", "sink"],  # the sink is empty but for deliveries
    registry=REGISTRY,
)
OUTBOX = Gauge("slo_engine_outbox_messages", "Notifications in the outbox.", ["sink", "state"], registry=REGISTRY)
OUTBOX_ORPHANS = Gauge(
    "slo_engine_outbox_orphans",
    "Notifications that wait for a sink that is not in the settings.",
    ["sink"],  # as many as the settings have had since the oldest of them was received
    registry=REGISTRY,
)

EVALUATIONS = Counter("slo_engine_evaluations", "Evaluations of all SLOs.", ["result"], registry=REGISTRY)
EVALUATION_SECONDS = Histogram(
    "slo_engine_evaluation_seconds",
    "How long an evaluation of all SLOs takes, Prometheus included.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
LAST_EVALUATION = Gauge(
    "slo_engine_last_evaluation_timestamp_seconds", "When all SLOs were last evaluated.", registry=REGISTRY
)
LEADS = Gauge(
    "slo_engine_leads",
    "Whether this engine keeps the history and posts, for all that share its store: one of them does.",
    registry=REGISTRY,
)
CLOCK_EVENTS = Counter(
    "slo_engine_clock_events", "Runs of the clock that did not go as planned.", ["task", "event"], registry=REGISTRY
)

WATCHDOG_SILENT = Gauge(
    "slo_engine_watchdog_silent",
    "Whether the watchdog alert of Prometheus has stayed away for too long.",
    registry=REGISTRY,
)
WATCHDOG_LAST_ARRIVAL = Gauge(
    "slo_engine_watchdog_last_arrival_timestamp_seconds",
    "When the watchdog alert last came through Alertmanager; 0: never.",
    registry=REGISTRY,
)
HEARTBEATS = Counter(
    "slo_engine_heartbeats",
    "Heartbeats to the service outside: sent, failed, or withheld because the engine was not healthy.",
    ["result"],  # none before a heartbeat is configured
    registry=REGISTRY,
)
RECONCILED = Counter(
    "slo_engine_reconciled_alerts",
    "Alerts that Alertmanager had and did not send, and that the engine passed on.",
    registry=REGISTRY,
)
ALERTMANAGER_UP = Gauge(
    "slo_engine_alertmanager_up",
    "Whether an Alertmanager could be compared with what arrived.",
    ["alertmanager"],  # its number in the settings, from 1; none before one is configured
    registry=REGISTRY,
)

for _result in ("accepted", "refused", "failed"):
    WEBHOOKS.labels(_result)
for _result in ("success", "failure"):
    EVALUATIONS.labels(_result)
for _reason in ("twin", "stale"):
    NOT_NEWS.labels(_reason)
for _result in ("complete", "partial", "failed"):
    MESSAGES.labels(_result)
