"""The engine itself, from its own metrics: what comes in, what goes out, and what waits in between.

Replicas share a store, so a number of what stands in it is the largest that any of them shows; what each of them has
done is added up.
"""

from __future__ import annotations

from slo_engine.dashboards.model import Dashboard, Heatmap, Lines, Query, Row, Stat, Thresholds, Variable

_ENGINE = 'job=~"$job",instance=~"$instance"'
_OF_ENGINES = f"and on (job, instance) slo_engine_build_info{{{_ENGINE}}}"
"""Other programs have the metrics of a process too."""

_FAULT: Thresholds = ((None, "green"), (1, "red"))
_FINE_OR_NOT = {0: ("no", "red"), 1: ("yes", "green")}


def _events(counter: str, by: str, legend: str) -> Query:
    """How many there were within the time of each point."""
    return Query(f"sum by ({by}) (increase({counter}{{{_ENGINE}}}[$__rate_interval]))", legend)


def _quantiles(histogram: str) -> tuple[Query, ...]:
    rates = f"sum by (le) (rate({histogram}_bucket{{{_ENGINE}}}[$__rate_interval]))"
    return tuple(
        Query(f"histogram_quantile({quantile}, {rates}) >= 0", name)
        for quantile, name in (("0.5", "p50"), ("0.95", "p95"))
    )


_STATE = Row(
    1,
    "State",
    (
        Stat(
            id=2,
            title="Engines",
            description="That Prometheus scrapes, by version.",
            queries=(Query(f"count by (version) (slo_engine_build_info{{{_ENGINE}}})", "{{version}}"),),
        ),
        Stat(
            id=3,
            title="SLOs loaded",
            description="From the SLO files.",
            queries=(Query(f"max(slo_engine_slos{{{_ENGINE}}})", "SLOs"),),
        ),
        Stat(
            id=4,
            title="SLO files in use",
            description="Whether the SLO files on disk are those that are loaded. After a mistake the last valid ones "
            "stay in use.",
            queries=(Query(f"min(slo_engine_slo_files_last_reload_successful{{{_ENGINE}}})", "in use"),),
            text=_FINE_OR_NOT,
        ),
        Stat(
            id=5,
            title="Mistakes in SLO files",
            description="`slo-engine validate` explains them.",
            queries=(Query(f"max(slo_engine_slo_files_problems{{{_ENGINE}}})", "mistakes"),),
            thresholds=_FAULT,
        ),
        Stat(
            id=6,
            title="Rules rolled out",
            description="Whether Prometheus, or the ruler, runs exactly the rules that the SLO files give.",
            queries=(Query(f"min by (destination) (slo_engine_rules_rolled_out{{{_ENGINE}}})", "{{destination}}"),),
            text=_FINE_OR_NOT,
            nothing="no rollout is configured",
        ),
        Stat(
            id=7,
            title="Since the last evaluation",
            description="An evaluation of all SLOs runs at the interval of `status` in the settings.",
            queries=(Query(f"time() - max(slo_engine_last_evaluation_timestamp_seconds{{{_ENGINE}}})", "seconds"),),
            unit="s",
            decimals=0,
            thresholds=((None, "green"), (180, "orange"), (600, "red")),
        ),
    ),
)

_NOTIFICATIONS = Row(
    8,
    "Notifications: from Alertmanager to the sinks",
    (
        Lines(
            id=9,
            title="Requests from Alertmanager",
            description="By how they were answered. What is refused or failed, Alertmanager sends again or loses.",
            queries=(_events("slo_engine_webhook_requests_total", "result", "{{result}}"),),
        ),
        Lines(
            id=44,
            title="Unknown sources",
            description="Requests to the path of a source that is not in the settings. They are taken all the same.",
            queries=(
                Query(
                    f"sum(increase(slo_engine_webhook_unknown_sources_total{{{_ENGINE}}}[$__rate_interval]))",
                    "requests",
                ),
            ),
            thresholds=((None, "transparent"), (1, "red")),
        ),
        Lines(
            id=10,
            title="Waiting",
            description="Posted bodies that are not read yet, and notifications that gather evidence.",
            queries=(Query(f"max by (step) (slo_engine_waiting_messages{{{_ENGINE}}})", "{{step}}"),),
        ),
        Lines(
            id=11,
            title="Bodies that were not understood",
            description="They are passed on as they are, kept, and shown on the page.",
            queries=(
                Query(f"sum(increase(slo_engine_inbox_quarantined_total{{{_ENGINE}}}[$__rate_interval]))", "bodies"),
            ),
            thresholds=((None, "transparent"), (1, "red")),
        ),
        Lines(
            id=12,
            title="Delivery attempts",
            description="By sink, and by what came of them: delivered, to be retried, or refused.",
            queries=(_events("slo_engine_delivery_attempts_total", "sink, result", "{{sink}} {{result}}"),),
            nothing="nothing has been sent since the engine started",
        ),
        Lines(
            id=13,
            title="Pending in the outbox",
            description="Notifications that a sink has not taken yet. A line that only rises is of a sink that is "
            "down, or too slow.",
            queries=(Query(f'max by (sink) (slo_engine_outbox_messages{{{_ENGINE},state="pending"}})', "{{sink}}"),),
            nothing="no sink is configured",
        ),
        Lines(
            id=14,
            title="Dead letters",
            description="Notifications that a sink refuses for good, or that could not be delivered for too long.",
            queries=(Query(f'max by (sink) (slo_engine_outbox_messages{{{_ENGINE},state="dead"}})', "{{sink}}"),),
            thresholds=((None, "transparent"), (1, "red")),
            show_thresholds=True,
            nothing="no sink is configured",
        ),
        Lines(
            id=29,
            title="Waiting for a sink that is gone",
            description="Notifications for sinks that are not in the settings. `slo-engine deliveries resend` sends "
            "them to another.",
            queries=(Query(f"max by (sink) (slo_engine_outbox_orphans{{{_ENGINE}}})", "{{sink}}"),),
            thresholds=((None, "transparent"), (1, "red")),
            show_thresholds=True,
            nothing="none",
        ),
    ),
)

_SPARES = Row(
    26,
    "Notifications that left in another way",
    (
        Lines(
            id=27,
            title="To a fallback",
            description="Notifications that a sink could not take and that went to its fallback, too.",
            queries=(_events("slo_engine_fallback_messages_total", "sink", "{{sink}}"),),
            nothing="no sink has a fallback",
            thresholds=((None, "transparent"), (1, "red")),
        ),
        Lines(
            id=28,
            title="Without their template",
            description="Notifications that left in the sink's own form because a template of the settings failed.",
            queries=(_events("slo_engine_template_failures_total", "sink", "{{sink}}"),),
            nothing="no sink is configured",
            thresholds=((None, "transparent"), (1, "red")),
        ),
    ),
)

_DELAYS = Row(
    43,
    "Delays, and sinks that do not take what they are sent",
    (
        Lines(
            id=30,
            title="From Alertmanager to the sink",
            description="How long the slowest 5 % of deliveries took, by sink.",
            queries=(
                Query(
                    f"histogram_quantile(0.95, sum by (sink, le) "
                    f"(rate(slo_engine_delivery_seconds_bucket{{{_ENGINE}}}[$__rate_interval]))) >= 0",
                    "{{sink}} p95",
                ),
            ),
            unit="s",
            nothing="nothing has been delivered",
        ),
        Lines(
            id=31,
            title="The oldest that waits",
            description="Posted bodies, notifications that gather evidence, deliveries to a sink.",
            queries=(
                Query(f"max by (step, sink) (slo_engine_oldest_waiting_seconds{{{_ENGINE}}})", "{{step}} {{sink}}"),
            ),
            unit="s",
            thresholds=((None, "transparent"), (180, "red")),
            show_thresholds=True,
        ),
        Lines(
            id=32,
            title="Sinks that are held back",
            description="1 while deliveries wait because the sink failed again and again, or asked for it.",
            queries=(Query(f"max by (sink) (slo_engine_sink_held{{{_ENGINE}}})", "{{sink}}"),),
            thresholds=((None, "transparent"), (1, "red")),
            nothing="no sink is configured",
        ),
        Lines(
            id=33,
            title="Failures in a row",
            description="Failed attempts since the sink last took something.",
            queries=(Query(f"max by (sink) (slo_engine_sink_failures{{{_ENGINE}}})", "{{sink}}"),),
            nothing="no sink is configured",
        ),
        Lines(
            id=34,
            title="Given up",
            description="Notifications that became dead letters.",
            queries=(_events("slo_engine_dead_letters_total", "sink", "{{sink}}"),),
            thresholds=((None, "transparent"), (1, "red")),
            nothing="no sink is configured",
        ),
        Lines(
            id=35,
            title="Not news",
            description="Notifications that were not delivered: those of the other Alertmanager of a cluster (twin), "
            "and what had ended already when it came (stale).",
            queries=(_events("slo_engine_dropped_notifications_total", "reason", "{{reason}}"),),
        ),
    ),
)

_WATCHERS = Row(
    36,
    "What watches the engine",
    (
        Stat(
            id=37,
            title="Watchdog",
            description="Since the always-firing alert of Prometheus last came through Alertmanager.",
            queries=(
                Query(
                    f"time() - (max(slo_engine_watchdog_last_arrival_timestamp_seconds{{{_ENGINE}}}) > 0)", "seconds"
                ),
            ),
            unit="s",
            decimals=0,
            thresholds=((None, "green"), (180, "orange"), (300, "red")),
            nothing="it has not come yet",
        ),
        Stat(
            id=38,
            title="Watchdog is silent",
            description="Whether it has stayed away for so long that somebody was told.",
            queries=(Query(f"max(slo_engine_watchdog_silent{{{_ENGINE}}})", "silent"),),
            thresholds=_FAULT,
        ),
        Stat(
            id=39,
            title="Alertmanager can be read",
            description="By its number in the settings.",
            queries=(Query(f"max by (alertmanager) (slo_engine_alertmanager_up{{{_ENGINE}}})", "{{alertmanager}}"),),
            text=_FINE_OR_NOT,
            nothing="no Alertmanager is configured",
        ),
        Stat(
            id=40,
            title="Leaders of the clock",
            description="Of the engines that share a store, one keeps the history and posts.",
            queries=(Query(f"sum(slo_engine_leads{{{_ENGINE}}})", "leaders"),),
        ),
        Lines(
            id=41,
            title="Alerts that Alertmanager did not send",
            description="The engine found them in its API, and passed them on.",
            queries=(
                Query(f"sum(increase(slo_engine_reconciled_alerts_total{{{_ENGINE}}}[$__rate_interval]))", "alerts"),
            ),
            thresholds=((None, "transparent"), (1, "red")),
        ),
        Lines(
            id=42,
            title="Heartbeats",
            description="To the service outside: sent, failed, or withheld because the engine was not healthy.",
            queries=(_events("slo_engine_heartbeats_total", "result", "{{result}}"),),
            nothing="no heartbeat is configured",
        ),
    ),
)

_EVIDENCE = Row(
    15,
    "Evidence",
    (
        Lines(
            id=16,
            title="Notifications completed",
            description="By whether all evidence came in time.",
            queries=(_events("slo_engine_messages_total", "evidence", "{{evidence}}"),),
            nothing="no notification since the engine started",
        ),
        Heatmap(
            id=17,
            title="How long evidence takes",
            description="Notifications by how long gathering their evidence took.",
            queries=(
                Query(
                    f"sum by (le) (increase(slo_engine_evidence_seconds_bucket{{{_ENGINE}}}[$__rate_interval]))",
                    "{{le}}",
                ),
            ),
            unit="s",
        ),
        Lines(
            id=18,
            title="Requests for evidence",
            description="By source and result. Skipped: its circuit breaker is open. Unsupported: this server cannot.",
            queries=(_events("slo_engine_evidence_requests_total", "source, result", "{{source}} {{result}}"),),
            nothing="no evidence has been asked for since the engine started",
        ),
    ),
)

_CLOCK = Row(
    19,
    "Clock and process",
    (
        Lines(
            id=20,
            title="Evaluations",
            description="Of all SLOs, by result.",
            queries=(_events("slo_engine_evaluations_total", "result", "{{result}}"),),
        ),
        Lines(
            id=21,
            title="How long an evaluation takes",
            description="Prometheus included.",
            queries=_quantiles("slo_engine_evaluation_seconds"),
            unit="s",
        ),
        Lines(
            id=22,
            title="Clock",
            description="Runs that did not go as planned: missed, still running when the next one was due, or failed.",
            queries=(
                Query(
                    f"sum by (task, event) (increase(slo_engine_clock_events_total{{{_ENGINE}}}[$__rate_interval]))",
                    "{{task}} {{event}}",
                ),
            ),
        ),
        Lines(
            id=23,
            title="Rules that differ",
            description="Differences between the rules that run and the SLO files.",
            queries=(Query(f"max by (destination) (slo_engine_rules_differences{{{_ENGINE}}})", "{{destination}}"),),
            nothing="no rollout is configured",
        ),
        Lines(
            id=24,
            title="CPU",
            description="Seconds of CPU time each second.",
            queries=(
                Query(
                    f"rate(process_cpu_seconds_total{{{_ENGINE}}}[$__rate_interval])\n  {_OF_ENGINES}", "{{instance}}"
                ),
            ),
            unit="percentunit",
        ),
        Lines(
            id=25,
            title="Memory",
            description="Resident.",
            queries=(Query(f"process_resident_memory_bytes{{{_ENGINE}}}\n  {_OF_ENGINES}", "{{instance}}"),),
            unit="bytes",
        ),
    ),
)

ENGINE = Dashboard(
    uid="slo-engine-engine",
    title="slo-engine",
    description="The engine itself: what it receives, sends and evaluates.",
    variables=(
        Variable("job", "Job", "label_values(slo_engine_build_info, job)", all_value=".+", multi=True),
        Variable(
            "instance",
            "Instance",
            'label_values(slo_engine_build_info{job=~"$job"}, instance)',
            all_value=".+",
            multi=True,
        ),
    ),
    rows=(_STATE, _NOTIFICATIONS, _DELAYS, _WATCHERS, _SPARES, _EVIDENCE, _CLOCK),
    alerts=None,
)
