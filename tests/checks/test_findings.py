"""What doctor finds in histories of seven hours, on a real Prometheus: each case is one SLO with series of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from deploy.stack.servers import Prometheus as RealPrometheus
from slo_engine.checks.diagnosis import diagnose
from slo_engine.checks.finding import Finding, FindingKind
from slo_engine.connect import Connection
from slo_engine.prometheus import Prometheus
from slo_engine.prometheus.client import Result
from tests.rules.backfilled import backfill
from tests.rules.promtool import slos_of

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=60)]

ROOT = Path(__file__).parents[2]

NOW = int(time.time()) // 60 * 60 - 600
BEGAN = NOW - 7 * 3600
SCRAPE = 30
"""Seconds."""

History = dict[int, float]
"""Time -> value."""


@dataclass
class Case:
    """An SLO, and what there is in Prometheus. It is recorded as it should be, unless ``records`` says otherwise."""

    sli: str
    series: Mapping[str, History]
    expected: tuple[tuple[str, str], ...] = ()
    """Problem, and a part of the message."""
    by: str = ""
    records: Mapping[str, History] = field(default_factory=dict)
    """Name of the record, or the record with labels -> values."""


def history(value: Callable[[int], float], *, since: int = BEGAN, until: int = NOW, each: int = SCRAPE) -> History:
    """A sample each 30 s, scraped 7 s after the whole minute."""
    return {at + 7: value(at - BEGAN) for at in range(since, until - 7, each)}


def growing(per_minute: float, *, since: int = BEGAN, until: int = NOW, each: int = SCRAPE, base: float = 0) -> History:
    return history(lambda t: base + (t + BEGAN - since) * per_minute / 60, since=since, until=until, each=each)


def restarting(per_minute: float, every: int) -> History:
    """A counter that begins anew each so many seconds."""
    return history(lambda t: (t % every) * per_minute / 60)


def records(per_minute: float, *, since: int = BEGAN, until: int = NOW, phase: int = 20) -> History:
    """One record each minute."""
    return dict.fromkeys(range(since + phase, until, 60), per_minute)


TOTAL, ERRORS, REQUESTS = "slo:sli_total:increase1m", "slo:sli_errors:increase1m", "slo:sli_requests:increase1m"
STEADY = {TOTAL: records(60), ERRORS: records(0)}

CASES: dict[str, Case] = {
    # Labels of `by`.
    "fine": Case(
        "events: {total: fine_total, errors: 'fine_total{status=\"error\"}'}",
        {'fine_total{agent="a",status="ok"}': growing(54), 'fine_total{agent="a",status="error"}': growing(6)},
        by="agent",
        records={f'{TOTAL}{{agent="a"}}': records(60), f'{ERRORS}{{agent="a"}}': records(6)},
    ),
    "errors-without-by": Case(
        "events: {total: insert_total, errors: insert_failures_total}",
        {
            'insert_total{namespace="a",instance="1"}': growing(60),
            'insert_failures_total{ns="a",instance="1"}': growing(36),
        },
        (
            ("no-label", "no series of insert_failures_total has the label namespace, which `by` names"),
            ("no-label", "the errors of each group show as 0; its labels are instance, ns"),
        ),
        by="namespace",
        records={f'{TOTAL}{{namespace="a"}}': records(60), f'{ERRORS}{{namespace="a"}}': records(36)},
    ),
    "errors-without-by-that-match-nothing-yet": Case(
        "events: {total: quiet_total, errors: 'quiet_failures_total{kind=\"fatal\"}'}",
        {'quiet_total{namespace="a"}': growing(60), 'quiet_failures_total{ns="a",kind="mild"}': growing(1)},
        (("no-label", "no series of quiet_failures_total has the label namespace"),),
        by="namespace",
        records={f'{TOTAL}{{namespace="a"}}': records(60), f'{ERRORS}{{namespace="a"}}': records(0)},
    ),
    "good-without-by": Case(
        "events: {total: sent_total, good: sent_ok_total}",
        {'sent_total{agent="a"}': growing(60), 'sent_ok_total{name="a"}': growing(60)},
        (("no-label", "every event of each group counts as an error; its labels are name"),),
        by="agent",
        records={f'{TOTAL}{{agent="a"}}': records(60), f'{ERRORS}{{agent="a"}}': records(0)},
    ),
    "some-errors-without-by": Case(
        "events: {total: mixed_total, errors: mixed_failures_total}",
        {
            'mixed_total{agent="a",pod="1"}': growing(60),
            'mixed_failures_total{agent="a",pod="1"}': growing(6),
            'mixed_failures_total{pod="2"}': growing(6),
        },
        (("no-label", "1 of 2 series of mixed_failures_total do not have the label agent"),),
        by="agent",
        records={f'{TOTAL}{{agent="a"}}': records(60), f'{ERRORS}{{agent="a"}}': records(12)},
    ),
    "some-of-both-without-by": Case(  # they are a group of their own
        "events: {total: shared_total, errors: shared_failures_total}",
        {
            'shared_total{agent="a"}': growing(60),
            'shared_total{pod="2"}': growing(60),
            'shared_failures_total{agent="a"}': growing(6),
            'shared_failures_total{pod="2"}': growing(6),
        },
        by="agent",
        records={f'{TOTAL}{{agent="a"}}': records(120), f'{ERRORS}{{agent="a"}}': records(12)},
    ),
    "errors-without-by-and-some-of-the-total": Case(
        "events: {total: half_total, errors: half_failures_total}",
        {
            'half_total{agent="a"}': growing(60),
            'half_total{pod="2"}': growing(60),
            'half_failures_total{pod="2"}': growing(6),
        },
        (("no-label", "no series of half_failures_total has the label agent"),),
        by="agent",
        records={f'{TOTAL}{{agent="a"}}': records(120), f'{ERRORS}{{agent="a"}}': records(6)},
    ),
    "bucket-without-by": Case(
        "latency: {histogram: cut_seconds, threshold: 500ms}",
        {'cut_seconds_count{agent="a"}': growing(60), 'cut_seconds_bucket{le="0.5"}': growing(60)},
        (("no-label", "no series of cut_seconds_bucket"), ("mixed-buckets", "")),
        by="agent",
        records={f'{TOTAL}{{agent="a"}}': records(60), f'{ERRORS}{{agent="a"}}': records(0)},
    ),
    "requests-without-by": Case(
        "cost: {spend: spent_usd_total, budget: 10 USD, requests: spent_requests_total, limits: {request: 1 USD}}",
        {'spent_usd_total{agent="a"}': growing(6), 'spent_requests_total{name="a"}': growing(60)},
        (("no-label", "no series of spent_requests_total has the label agent"),),
        by="agent",
        records={f'{ERRORS}{{agent="a"}}': records(6), f'{REQUESTS}{{agent="a"}}': records(60)},
    ),
    "unpriced-without-model": Case(
        "cost: {spend: priced_usd_total, budget: 10 USD, unpriced: unpriced_total}",
        {"priced_usd_total": growing(6), 'unpriced_total{llm="x"}': growing(1)},
        (("no-label", "no series of unpriced_total has the label model"),),
        records={ERRORS: records(6)},
    ),
    "errors-of-other-groups": Case(
        "events: {total: spelled_total, errors: spelled_failures_total}",
        {'spelled_total{agent="a"}': growing(60), 'spelled_failures_total{agent="A"}': growing(6)},
        (("no-total", "1 groups of errors (spelled_failures_total) have no events in spelled_total"),),
        by="agent",
        records={f'{TOTAL}{{agent="a"}}': records(60), f'{ERRORS}{{agent="a"}}': records(6)},
    ),
    # Labels that selectors ask for.
    "status-on-errors": Case(
        "events: {total: plain_total, errors: 'plain_total{status=\"error\"}'}",
        {'plain_total{code="500"}': growing(60)},
        (
            (
                "unknown-label",
                'no series of plain_total has the label status, so that status="error" in errors matches ',
            ),
        ),
        records=STEADY,
    ),
    "negative-status-on-errors": Case(
        "events: {total: negative_total, errors: 'negative_total{status!=\"success\"}'}",
        {"negative_total": growing(60)},
        (("unknown-label", 'status!="success" in errors matches everything'),),
        records={TOTAL: records(60), ERRORS: records(60)},
    ),
    "negative-route-in-total": Case(
        "events: {total: 'web_total{route!~\"/health|/metrics\"}', "
        'errors: \'web_total{route!~"/health|/metrics",code="5"}\'}',
        {'web_total{path="/",code="2"}': growing(60)},
        (("unknown-label", 'route!~"/health|/metrics" in total matches everything'),),
        records=STEADY,
    ),
    "environment-in-total": Case(
        'events: {total: \'env_total{env="prod"}\', errors: \'env_total{env="prod",code="5"}\'}',
        {'env_total{environment="prod",code="2"}': growing(60)},
        (("unknown-label", 'no series of env_total has the label env, so that env="prod" in total matches nothing'),),
    ),
    "label-that-only-others-have": Case(
        'events: {total: \'http_total{job="api"}\', errors: \'http_total{job="api",status="500"}\'}',
        {'http_total{job="api",code="200"}': growing(60), 'http_total{job="web",status="200"}': growing(60)},
        (("unknown-label", 'no series of http_total{job="api"} has the label status'),),
        records=STEADY,
    ),
    "label-in-a-histogram": Case(
        "latency: {histogram: 'asked_seconds{route!=\"/health\"}', threshold: 500ms}",
        {"asked_seconds_count": growing(60), 'asked_seconds_bucket{le="0.5"}': growing(60)},
        (("unknown-label", 'route!="/health" in histogram matches everything'),),
        records=STEADY,
    ),
    "label-in-good": Case(
        "events: {total: passed_total, good: 'passed_total{result=\"ok\"}'}",
        {'passed_total{status="ok"}': growing(60)},
        (("unknown-label", 'result="ok" in good matches nothing'), ("no-good", "no series matches good")),
        records={TOTAL: records(60), ERRORS: records(60)},
    ),
    "label-in-spend": Case(
        "cost: {spend: 'bill_usd_total{test!=\"yes\"}', budget: 10 USD}",
        {"bill_usd_total": growing(6)},
        (("unknown-label", 'test!="yes" in spend matches everything'),),
        records={ERRORS: records(6)},
    ),
    "labels-in-requests-and-unpriced": Case(
        "cost: {spend: usd_total, budget: 10 USD, requests: 'calls_total{kind=\"run\"}', limits: {request: 1 USD}, "
        "unpriced: 'free_total{kind=\"run\"}'}",
        {"usd_total": growing(6), "calls_total": growing(60), 'free_total{model="x"}': growing(1)},
        (
            ("unknown-label", 'kind="run" in requests matches nothing'),
            ("unknown-label", 'kind="run" in unpriced matches nothing'),
            ("no-data", "limits.request cannot fire"),
        ),
        records={ERRORS: records(6)},
    ),
    "labels-that-may-be-missing": Case(
        'events: {total: \'otel_total{canary="",pod=~".*"}\', '
        'errors: \'otel_total{canary="",pod=~".*",error_type!=""}\'}',
        {'otel_total{job="a"}': growing(60)},
        records=STEADY,
    ),
    "label-seen-this-morning": Case(
        "events: {total: seldom_total, errors: 'seldom_total{reason=\"timeout\"}'}",
        {"seldom_total": growing(60), 'seldom_total{reason="timeout"}': growing(1, until=NOW - 18_000)},
        records=STEADY,
    ),
    # Never seen.
    "errors-never-seen": Case(
        "events: {total: done_total, errors: dnoe_errors_total}",
        {"done_total": growing(60)},
        (
            (
                "no-errors",
                "there is no series of dnoe_errors_total and there was none within 1d, so that errors are always 0",
            ),
        ),
        records=STEADY,
    ),
    "errors-seen-this-morning": Case(
        "events: {total: rare_total, errors: rare_errors_total}",
        {"rare_total": growing(60), "rare_errors_total": growing(1, until=NOW - 18_000)},
        records={TOTAL: records(60), ERRORS: records(0)},
    ),
    "errors-that-match-nothing-yet": Case(
        "events: {total: sound_total, errors: 'sound_failures_total{kind=\"fatal\"}'}",
        {"sound_total": growing(60), 'sound_failures_total{kind="mild"}': growing(1)},
        records=STEADY,
    ),
    "no-error-yet": Case(
        "events: {total: clean_total, errors: 'clean_total{status=\"error\"}'}",
        {'clean_total{status="ok"}': growing(60)},
        records=STEADY,
    ),
    "good-never-seen": Case(
        "events: {total: ended_total, good: 'ended_total{status=\"sucess\"}'}",
        {'ended_total{status="success"}': growing(60)},
        (("no-good", 'no series matches good (ended_total{status="sucess"}) and none did within 1d'),),
        records={TOTAL: records(60), ERRORS: records(60)},
    ),
    # Buckets.
    "mixed-buckets": Case(
        "latency: {histogram: fleet_seconds, threshold: 500ms}",
        {
            'fleet_seconds_count{pod="new"}': growing(90),
            'fleet_seconds_bucket{pod="new",le="0.1"}': growing(90),
            'fleet_seconds_bucket{pod="new",le="0.5"}': growing(90),
            'fleet_seconds_count{pod="old"}': growing(10),
            'fleet_seconds_bucket{pod="old",le="0.1"}': growing(10),
            'fleet_seconds_bucket{pod="old",le="1"}': growing(10),
        },
        (("mixed-buckets", "of 2 series of fleet_seconds_count 1 have no bucket at the threshold"),),
        records={TOTAL: records(100), ERRORS: records(10)},
    ),
    "mixed-scores": Case(
        "score: {histogram: graded, above: 0.5}",
        {
            'graded_count{pod="new"}': growing(90),
            'graded_bucket{pod="new",le="0.5"}': growing(9),
            'graded_count{pod="old"}': growing(10),
            'graded_bucket{pod="old",le="1"}': growing(10),
        },
        (("mixed-buckets", "of 2 series of graded_count 1 have no bucket"),),
        records={TOTAL: records(100), ERRORS: records(9)},
    ),
    "two-spellings-of-a-bucket": Case(
        "latency: {histogram: moved_seconds, threshold: 1s}",
        {
            'moved_seconds_count{pod="new"}': growing(90),
            'moved_seconds_bucket{pod="new",le="1.0"}': growing(90),
            'moved_seconds_count{pod="old"}': growing(10),
            'moved_seconds_bucket{pod="old",le="1"}': growing(10),
        },
        records={TOTAL: records(100), ERRORS: records(0)},
    ),
    # Scrapes.
    "scraped-each-90s": Case(
        "events: {total: slow_total, errors: 'slow_total{status=\"error\"}'}",
        {'slow_total{status="ok"}': growing(60, each=90)},
        (("slow-scrapes", "1 series of slow_total have a sample each 9"),),
        records=STEADY,
    ),
    "errors-scraped-each-2m": Case(
        "events: {total: paced_total, errors: paced_errors_total}",
        {"paced_total": growing(60), "paced_errors_total": growing(6, each=120)},
        (("slow-scrapes", "1 series of paced_errors_total have a sample each 12"),),
        records={TOTAL: records(60), ERRORS: records(6)},
    ),
    "scraped-each-60s": Case(
        "events: {total: minute_total, errors: 'minute_total{status=\"error\"}'}",
        {'minute_total{status="ok"}': growing(60, each=60)},
        records=STEADY,
    ),
    "away-for-five-minutes": Case(
        "events: {total: away_total, errors: 'away_total{status=\"error\"}'}",
        {
            'away_total{status="ok"}': growing(60, each=60, until=NOW - 720)
            | growing(60, each=60, since=NOW - 420, base=60 * (7 * 60 - 7)),
        },
        records=STEADY,
    ),
    # Counters that fall.
    "two-writers": Case(
        "events: {total: wobbling_total, errors: 'wobbling_total{status=\"error\"}'}",
        {'wobbling_total{status="ok"}': history(lambda t: 5_000 + t - 40 * (t // SCRAPE % 4 == 0))},
        (
            ("decreasing", "1 series of wobbling_total went down without a restart within the last hour"),
            ("miscounted", ""),
        ),
        records={TOTAL: records(20_000), ERRORS: records(0)},
    ),
    "a-gauge": Case(
        "events: {total: queue_length, errors: 'queue_length{status=\"error\"}'}",
        {'queue_length{status="ok"}': history(lambda t: 40 + (t // SCRAPE * 7) % 9)},
        (("decreasing", "is it a gauge"),),
    ),
    "restarted-once": Case(
        "events: {total: once_total, errors: 'once_total{status=\"error\"}'}",
        {'once_total{status="ok"}': growing(60, until=NOW - 1_200) | growing(60, since=NOW - 1_200)},
        records=STEADY,
    ),
    "restarted-each-two-minutes": Case(
        "events: {total: loop_total, errors: 'loop_total{status=\"error\"}'}",
        {'loop_total{status="ok"}': restarting(600, 120)},
    ),
    "restarted-and-small": Case(
        "events: {total: small_total, errors: 'small_total{status=\"error\"}'}",
        {'small_total{status="ok"}': growing(0, until=NOW - 1_200, base=3) | growing(0, since=NOW - 1_200, base=2)},
    ),
    "a-job-that-says-when-it-began": Case(
        "events: {total: job_total, errors: 'job_total{status=\"error\"}'}",
        {
            'job_total{job="batch",instance="1",status="ok"}': history(lambda t: 200 - t // 600 % 3),
            'process_start_time_seconds{job="batch",instance="1"}': history(lambda t: t // 600 * 600),
        },
    ),
    # Counted twice.
    "two-replicas": Case(
        "events: {total: doubled_total, errors: 'doubled_total{status=\"error\"}'}",
        {
            'doubled_total{status="ok",instance="1",prometheus_replica="a"}': growing(60),
            'doubled_total{status="ok",instance="1",prometheus_replica="b"}': growing(60),
        },
        (("counted-twice", "1 series of doubled_total are there several times"),),
        records={TOTAL: records(120), ERRORS: records(0)},
    ),
    "replicas-of-the-agent": Case(
        "events: {total: replicated_total, errors: 'replicated_total{status=\"error\"}'}",
        {
            'replicated_total{status="ok",replica="a"}': growing(60),
            'replicated_total{status="ok",replica="b"}': growing(20),
        },
        records={TOTAL: records(80), ERRORS: records(0)},
    ),
    "two-rulers": Case(
        "events: {total: ruled_total, errors: 'ruled_total{status=\"error\"}'}",
        {'ruled_total{status="ok"}': growing(60)},
        (("counted-twice", "1 groups are recorded several times over"),),
        records={f'{name}{{replica="{replica}"}}': values for replica in "ab" for name, values in STEADY.items()},
    ),
    # Records and raw growth.
    "half-is-lost": Case(
        "events: {total: late_total, errors: 'late_total{status=\"error\"}'}",
        {'late_total{status="ok"}': growing(54), 'late_total{status="error"}': growing(6)},
        (
            ("miscounted", "within the last 6h the rules counted 10,800 events, and late_total grew by 21,"),
            ("miscounted", '; 1,080 errors, and late_total{status="error"} grew by 2,'),
            ("miscounted", "rule_query_offset in Prometheus 2.53 or later"),
        ),
        records={TOTAL: records(30), ERRORS: records(3)},
    ),
    "three-percent-are-lost": Case(
        "events: {total: nearly_total, errors: 'nearly_total{status=\"error\"}'}",
        {'nearly_total{status="ok"}': growing(60)},
        (("miscounted", "the rules counted"),),
        records={TOTAL: records(58.2), ERRORS: records(0)},
    ),
    "three-percent-are-invented": Case(
        "events: {total: excess_total, errors: 'excess_total{status=\"error\"}'}",
        {'excess_total{status="ok"}': growing(60)},
        (("miscounted", "do two replicas write the same series"),),
        records={TOTAL: records(61.8), ERRORS: records(0)},
    ),
    "one-percent-is-lost": Case(
        "events: {total: almost_total, errors: 'almost_total{status=\"error\"}'}",
        {'almost_total{status="ok"}': growing(60)},
        records={TOTAL: records(59.4), ERRORS: records(0)},
    ),
    "one-sample-is-no-number": Case(
        "events: {total: nan_total, errors: 'nan_total{status=\"error\"}'}",
        {
            'nan_total{status="ok",pod="1"}': growing(60),
            'nan_total{status="ok",pod="2"}': growing(60, base=1_000_000) | {NOW - 3_593: float("nan")},
        },
        (("miscounted", "events, and nan_total grew by"),),
        records={TOTAL: records(120) | {NOW - 3_580: 1_000_000}, ERRORS: records(0)},
    ),
    "good-is-lost": Case(
        "events: {total: whole_total, good: whole_good_total}",
        {"whole_total": growing(60), "whole_good_total": growing(60)},
        (("miscounted", "good events, and whole_good_total grew by 21,"),),
        records={TOTAL: records(60), ERRORS: records(30)},
    ),
    "observations-are-lost": Case(
        "latency: {histogram: lost_seconds, threshold: 500ms}",
        {"lost_seconds_count": growing(60), 'lost_seconds_bucket{le="0.5"}': growing(60)},
        (("miscounted", "events, and lost_seconds_count grew by"),),
        records={TOTAL: records(30), ERRORS: records(0)},
    ),
    "money-is-lost": Case(
        "cost: {spend: paid_usd_total, budget: 10 USD, requests: paid_requests_total, limits: {request: 1 USD}}",
        {"paid_usd_total": growing(0.06), "paid_requests_total": growing(60)},
        (
            ("miscounted", "10.80 of money, and paid_usd_total grew by 21."),
            ("miscounted", "; 10,800 requests, and paid_requests_total grew by 21,"),
        ),
        records={ERRORS: records(0.03), REQUESTS: records(30)},
    ),
    "a-series-that-expires": Case(
        "events: {total: expiring_total, errors: 'expiring_total{status=\"error\"}'}",
        {
            'expiring_total{status="ok"}': growing(60),
            'expiring_total{status="error"}': growing(0, base=5_000, until=NOW - 19_000)
            | growing(0, base=5_000, since=NOW - 9_000),
        },
        (
            ("miscounted", "events, and expiring_total grew by 21,"),
            ("miscounted", "drop idle series and show them again (`series_expire: true`)"),
        ),
        records={
            TOTAL: records(60) | {NOW - 8_980: 5_060},
            ERRORS: records(0) | {NOW - 8_980: 5_000},
        },
    ),
    "rules-since-an-hour": Case(
        "events: {total: young_total, errors: 'young_total{status=\"error\"}'}",
        {'young_total{status="ok"}': growing(60)},
        records={TOTAL: records(60, since=NOW - 3_900), ERRORS: records(0, since=NOW - 3_900)},
    ),
    "rules-since-an-hour-that-lose-half": Case(
        "events: {total: younger_total, errors: 'younger_total{status=\"error\"}'}",
        {'younger_total{status="ok"}': growing(60)},
        (("miscounted", "within the last 1h the rules counted 1,800 events"),),
        records={TOTAL: records(30, since=NOW - 3_900), ERRORS: records(0, since=NOW - 3_900)},
    ),
    "rules-since-ten-minutes": Case(
        "events: {total: newest_total, errors: 'newest_total{status=\"error\"}'}",
        {'newest_total{status="ok"}': growing(600)},
        records={TOTAL: records(100, since=NOW - 600), ERRORS: records(0, since=NOW - 600)},
    ),
    "prometheus-was-down": Case(
        "events: {total: down_total, errors: 'down_total{status=\"error\"}'}",
        {
            'down_total{status="ok"}': growing(60, until=NOW - 12_000)
            | growing(60, since=NOW - 8_400, base=60 * (7 * 60 - 140))
        },
        records={
            TOTAL: records(60, until=NOW - 12_000) | records(60, since=NOW - 8_400),
            ERRORS: records(0, until=NOW - 12_000) | records(0, since=NOW - 8_400),
        },
    ),
    "few-events": Case(
        "events: {total: few_total, errors: 'few_total{status=\"error\"}'}",
        {'few_total{status="ok"}': history(lambda t: t // 1_800)},
        records={TOTAL: records(0), ERRORS: records(0)},
    ),
    "all-in-the-last-minute": Case(
        "events: {total: burst_total, errors: 'burst_total{status=\"error\"}'}",
        {'burst_total{status="ok"}': history(lambda t: 50_000 * (t + BEGAN >= NOW - 60))},
        records={TOTAL: records(0), ERRORS: records(0)},
    ),
    "pods-that-come-and-go": Case(
        "events: {total: pods_total, errors: 'pods_total{status=\"error\"}'}",
        {
            f'pods_total{{status="ok",pod="{number}"}}': growing(
                60, since=BEGAN + 60 + number * 420, until=min(BEGAN + 480 + number * 420, NOW)
            )
            for number in range(60)
        },
        records={TOTAL: records(55.7), ERRORS: records(0)},  # what scrapes saw: 13 of 14 intervals
    ),
    "first-errors-of-new-series": Case(
        # Of each of forty pods the first scrape shows ten errors, which count.
        "events: {total: first_total, errors: 'first_total{status=\"error\"}'}",
        {'first_total{status="ok"}': growing(60)}
        | {
            f'first_total{{status="error",pod="{number}"}}': growing(0, base=10, since=BEGAN + 3_600 + number * 420)
            for number in range(40)
        },
        records={
            TOTAL: {at: 60 + value for at, value in records(0).items() for value in [0.0]}
            | {BEGAN + 3_620 + number * 420: 70.0 for number in range(40)},
            ERRORS: records(0) | {BEGAN + 3_620 + number * 420: 10.0 for number in range(40)},
        },
    ),
    # Rules that see nothing.
    "newest-sample-is-old": Case(
        "events: {total: old_total, errors: 'old_total{status=\"error\"}'}",
        {'old_total{status="ok"}': growing(60, until=NOW - 83)},
        (("late-samples", "the newest sample of old_total is 1"),),
        records={"none": {}},
    ),
}


def exposition(name: str, case: Case) -> Iterator[tuple[str, History]]:
    for series, values in case.series.items():
        yield series, values
    for record, values in case.records.items():
        metric, _, labels = record.partition("{")
        more = f",{labels.removesuffix('}')}" if labels else ""
        yield f'{metric}{{slo_service="shop",slo="{name}"{more}}}', values


class Counting:
    """Counts the queries."""

    def __init__(self, door: Prometheus) -> None:
        self._door = door
        self.queries: list[str] = []

    def query(self, expr: str, at: datetime) -> Result:
        self.queries.append(expr)
        return self._door.query(expr, at)


@dataclass(frozen=True)
class Diagnosis:
    by_slo: Mapping[str, list[Finding]]
    queries: list[str]


@pytest.fixture(scope="module")
def diagnosis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Diagnosis]:
    folder = tmp_path_factory.mktemp("doctor")
    backfill(folder, {series: values for name, case in CASES.items() for series, values in exposition(name, case)})
    slos = "".join(f"  - {{name: {name}, by: [{case.by}], sli: {{{case.sli}}}}}\n" for name, case in CASES.items())
    header = "version: slo-engine/v1\nservice: shop\ndefaults: {objective: 99}\n"
    loaded = slos_of(folder, f"{header}slos:\n{slos}")
    with RealPrometheus(folder) as server, closing(Prometheus(Connection(server.url))) as door:
        counting = Counting(door)
        found: dict[str, list[Finding]] = {}
        for finding in diagnose(loaded, counting, datetime.fromtimestamp(NOW, UTC)):
            found.setdefault(finding.slo, []).append(finding)
        yield Diagnosis(found, counting.queries)


def said(name: str, diagnosis: Diagnosis) -> list[tuple[str, str]]:
    """Problems and messages; where a case has no records, without that they are missing."""
    found = [(finding.problem, finding.message) for finding in diagnosis.by_slo.get(name, [])]
    return [each for each in found if CASES[name].records or each[0] != "no-rules"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.expected])
def test_what_is_wrong_is_found_and_nothing_else(name: str, diagnosis: Diagnosis) -> None:
    expected, found = CASES[name].expected, said(name, diagnosis)

    for problem, part in expected:
        assert any(problem == each and part in message for each, message in found), found
    assert {problem for problem, _ in found} == {problem for problem, _ in expected}, found
    assert len(found) <= len(expected), found


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.expected])
def test_what_is_right_is_left_alone(name: str, diagnosis: Diagnosis) -> None:
    assert not said(name, diagnosis)


def test_every_finding_stands_in_the_documentation() -> None:
    documented = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs/slo-files.md").read_text("utf-8"), re.MULTILINE)

    assert set(get_args(FindingKind)) <= set(documented)


def test_an_slo_takes_four_queries_and_one_for_each_thing_that_is_missing(diagnosis: Diagnosis) -> None:
    missing = sum(
        finding.problem in ("no-label", "no-bucket") for found in diagnosis.by_slo.values() for finding in found
    )

    assert len(diagnosis.queries) <= 4 * len(CASES) + missing + 2
