"""Which PromQL is a plain counter, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from slo_engine.convert.importers.queries import CannotExpressError, comparison, events, ratio, slices

T = "sum(rate(x_total[{{.window}}]))"
E = 'sum(rate(x_total{code=~"5.."}[{{.window}}]))'
ERRORS = {"events": {"total": "x_total", "errors": 'x_total{code=~"5.."}'}}


@pytest.mark.parametrize(
    ("total", "errors"),
    [
        (T, E),
        (f"({T})", f"(({E}) or vector(0))"),
        (T, f"{E} OR on() vector(0)"),
        (T, f"{E} or 0 * {T}"),
        (f"{T} > 0", E),
        (T.replace("rate", "increase"), E.replace("rate", "increase")),
        (T.replace("{{.window}}", "{{- .window -}}"), E),
        (T.replace("{{.window}}", "$__rate_interval"), E.replace("{{.window}}", "${__rate_interval}")),
        ("sum(sum by (pod) (rate(x_total[{{.window}}])))", E),
    ],
)
def test_sums_of_rates_are_selectors(total: str, errors: str) -> None:
    found = events(total, errors=errors)
    assert (found.sli, found.by, found.changed) == (ERRORS, (), ())


FAILED, SENT, DROPPED = (f"sum(rate({name}_total[{{{{.window}}}}]))" for name in ("failed", "sent", "dropped"))


@pytest.mark.parametrize(
    ("total", "errors", "named"),
    [
        (f"{FAILED} + {SENT}", FAILED, (["failed_total", "sent_total"], "errors", "failed_total")),
        (f"({FAILED} or vector(0)) + ({SENT})", FAILED, (["failed_total", "sent_total"], "errors", "failed_total")),
        (
            "sum(rate(failed_total[{{.window}}]) + rate(sent_total[{{.window}}]))",
            FAILED,
            (["failed_total", "sent_total"], "errors", "failed_total"),
        ),
        (f"sum({FAILED} + {SENT}) > 0", FAILED, (["failed_total", "sent_total"], "errors", "failed_total")),
        (
            f"{FAILED} + {DROPPED} + {SENT}",
            "sum(rate(lost_total[{{.window}}]))",
            (["failed_total", "dropped_total", "sent_total"], "errors", "lost_total"),
        ),
        # What is left of the total is named where a sum cannot be.
        (
            f"{FAILED} + {DROPPED} + {SENT}",
            f"{DROPPED} + {FAILED}",
            (["failed_total", "dropped_total", "sent_total"], "good", "sent_total"),
        ),
        (f"{FAILED} + {SENT}", f"{SENT} + {FAILED} - {SENT}", (["failed_total", "sent_total"], "good", "sent_total")),
        (
            f"{FAILED} + {DROPPED} + {SENT}",
            f"clamp_min({FAILED} + {DROPPED} + {SENT} - ({SENT} + {DROPPED}), 0)",
            (["failed_total", "dropped_total", "sent_total"], "errors", "failed_total"),
        ),
    ],
)
def test_counters_that_are_added_up_are_a_list(total: str, errors: str, named: tuple[list[str], str, str]) -> None:
    found = events(total, errors=errors)
    sli = {"events": {"total": named[0], named[1]: named[2]}}
    assert (found.sli, found.changed) == (sli, ())
    assert ratio(f"({errors}) / ({total})", of="errors").sli == sli


def test_a_sum_by_labels_is_divided_by_them() -> None:
    total = "sum by (pod) (rate(a_total[5m])) + sum by (pod) (rate(b_total[5m]))"
    found = events(total, errors="sum by (pod) (rate(a_total[5m]))")
    assert (found.sli["events"]["total"], found.by) == (["a_total", "b_total"], ("pod",))


def test_bounds_of_each_counter_are_found_in_each_spelling() -> None:
    found = events('sum(rate(a_bucket{le="5"}[5m])) + sum(rate(b_total[5m]))', errors="sum(rate(b_total[5m]))")
    assert found.sli["events"]["total"] == [r'a_bucket{le=~"5|5\\.0"}', "b_total"]


def test_total_minus_good_names_the_good_events() -> None:
    found = events(T, errors=f'({T} - sum(rate(y_total{{ok="1"}}[{{{{.window}}}}])))')
    assert found.sli == {"events": {"total": "x_total", "good": 'y_total{ok="1"}'}}


def test_sum_by_divides_the_slo_whatever_the_order_of_its_labels() -> None:
    found = events("sum by (a, b) (rate(x[5m]))", good="sum by (b, a) (rate(y[5m]))")
    assert found.by == ("a", "b")


@pytest.mark.parametrize(
    ("good", "total", "sli"),
    [
        ('h_seconds_bucket{le="0.4",a="b"}', 'h_seconds_count{a="b"}', ('h_seconds{a="b"}', "400ms")),
        ('h_seconds_bucket{a="b",le="15"}', 'h_seconds_count{a="b"}', ('h_seconds{a="b"}', "15s")),
        ('h_seconds_bucket{le="15.0"}', "h_seconds_count", ("h_seconds", "15s")),
        ('h_seconds_bucket{le=~"15|15\\\\.0"}', "h_seconds_count", ("h_seconds", "15s")),
        ('h_seconds_bucket{le="5"}', 'h_seconds_bucket{le="+Inf"}', ("h_seconds", "5s")),
    ],
)
def test_bucket_over_count_is_latency(good: str, total: str, sli: tuple[str, str]) -> None:
    found = events(f"sum(rate({total}[5m]))", good=f"sum(rate({good}[5m]))")
    assert found.sli == {"latency": {"histogram": sli[0], "threshold": sli[1]}}


def test_a_label_with_one_value_divides_nothing() -> None:
    found = events("sum(rate(h_count[5m]))", good='sum by (le) (rate(h_bucket{le="1"}[5m]))')
    assert (found.by, list(found.sli)) == ((), ["latency"])


@pytest.mark.parametrize(
    ("good", "total", "written"),
    [
        ('h_seconds_bucket{le="0.4",code="200"}', "h_seconds_count", None),  # other events than those counted
        ('h_seconds_bucket{le="0.0001"}', "h_seconds_count", None),  # shorter than a threshold can be
        ('h_seconds_bucket{le=~"0.4|0.8"}', "h_seconds_count", None),
        ('h_seconds_bucket{le="+Inf"}', "h_seconds_count", None),
        ('h_seconds_bucket{le="0.4"}', "g_seconds_count", None),
        # A threshold here is in seconds.
        ('h_milliseconds_bucket{le="400"}', "h_milliseconds_count", r'h_milliseconds_bucket{le=~"400|400\\.0"}'),
        # The rules would look for 0.4.
        ('h_seconds_bucket{le="0.40"}', "h_seconds_count", r'h_seconds_bucket{le=~"0\\.4|0\\.40"}'),
        ('h_seconds_bucket{le="1",code="200"}', "h_seconds_count", r'h_seconds_bucket{le=~"1|1\\.0",code="200"}'),
    ],
)
def test_bucket_that_latency_cannot_say_stays_a_counter(good: str, total: str, written: str | None) -> None:
    found = events(f"sum(rate({total}[5m]))", good=f"sum(rate({good}[5m]))")
    assert found.sli == {"events": {"total": total, "good": written or good}}


def test_ratios_are_taken_apart() -> None:
    assert ratio(f"{E} / {T}", of="errors").sli == ERRORS
    assert ratio(f"1 - ({E} / {T})", of="good").sli == ERRORS
    assert ratio(f"1 - (sum(rate(y[5m])) / {T})", of="errors").sli == {"events": {"total": "x_total", "good": "y"}}
    native = {"latency": {"histogram": "h", "threshold": "200ms", "native": True}}
    found = ratio("1 - histogram_fraction(0, 0.2, sum by (a) (rate(h[{{.window}}])))", of="errors")
    assert (found.sli, found.by) == (native, ("a",))


def test_matchers_keep_their_order_and_their_escapes() -> None:
    found = events(
        'sum(rate(x{b="\\\\d\\"",a=~"c|d"}[5m]))', errors='sum(rate(x{b="{{.x",a="#"}[5m]))'.replace("{{.", "")
    )
    assert found.sli["events"]["total"] == 'x{b="\\\\d\\"",a=~"c|d"}'


@pytest.mark.parametrize(
    ("total", "errors", "why"),
    [
        (T, "sum_over_time((count(g < 0.75))[{{.window}}:])", "for a gauge that is 0 or 1, write sli: {slices:"),
        ("count_over_time(up[5m])", "sum_over_time(up[5m])", r"count_over_time(up[5m]) reads a gauge"),
        (T, f"{E} + {E}", 'adds up x_total{code=~"5.."} twice'),
        (f"{T} + {T}", E, "adds up x_total twice"),
        (T, f"{E} + sum(rate(y[{{{{.window}}}}]))", "adds up several counters of the errors"),
        (f"{T} + sum by (a) (rate(y[{{{{.window}}}}]))", E, "grouped by different labels"),
        (f"{T} + sum(increase(y[{{{{.window}}}}]))", E, "counts events (increase)"),
        (f"{T} + sum(rate(y[{{{{.window}}}}])) * 2", E, "is not the rate of one counter"),
        (f"{T} + 1", E, "is not the rate of one counter"),
        (f"{T} + sum(rate(y[{{{{.window}}}}]))", f"{T} - {E}", "does not begin with the total x_total + y"),
        (f"{T} + on () group_left () sum(rate(y[{{{{.window}}}}]))", E, "joins several series with one"),
        (T, f"{E} * 60", "is not the rate of one counter"),
        (T, f"clamp_min({E}, 1)", "is not the rate of one counter"),
        (T, "avg(rate(x_total[5m]))", "is not the rate of one counter"),
        (T, "sum(rate(x_total[5m:1m]))", "is not the rate of one counter"),
        (T, f"{E} or vector(1)", "is not the rate of one counter"),
        (T, f"{T} > bool 0", "is not the rate of one counter"),
        (T, f"sum(rate(z[5m])) - {E}", "does not begin with the total x_total"),
        (T, "sum by (a) (rate(x_total[5m]))", "grouped by different labels"),
        (T, "sum without (a) (rate(x_total[5m]))", "sums `without` labels"),
        ("sum by (a) (sum by (b) (rate(x[5m])))", E, "that the sum inside it has dropped"),
        (T, E.replace("rate", "increase"), "counts events (increase)"),
        (T, "sum(rate(x_total[5m] offset 1h))", "must not carry offset"),
        (T, 'sum(rate({__name__=~"a|b"}[5m]))', "must name one metric"),
        (T, 'sum(rate(x_total{a="{{.window}}"}[5m]))', "holds a placeholder"),
        (T, "sum(rate(x_total{ {{ .filter }} }[5m]))", "holds the template"),
        (T, "sum(rate(x_total[5m])", "is not PromQL"),
        (T, "", "is not PromQL"),
        (T, "(" * 200 + "x" + ")" * 200, "nested deeper"),
        (T, "SELECT 1", "is not PromQL"),
    ],
)
def test_what_is_no_plain_counter_is_the_reason(total: str, errors: str, why: str) -> None:
    with pytest.raises(CannotExpressError) as raised:
        events(total, errors=errors)
    assert why in str(raised.value)
    assert "1234567" not in str(raised.value)
    assert "20m34s" not in str(raised.value)


def test_minutes_of_several_counters_are_judged_by_their_sum() -> None:
    found = slices(f"{FAILED} + {SENT}", 0.95, errors=FAILED)
    both = "(sum (rate(failed_total[5m])) + sum (rate(sent_total[5m])))"
    assert found.sli == {"slices": {"good": f"(sum (rate(failed_total[5m])) or 0 * {both}) / {both} <= bool 0.05"}}


def test_nobody_is_told_to_record_a_sum() -> None:
    with pytest.raises(CannotExpressError) as raised:
        events(T, errors=f"{E} + {E} * 2")
    assert "record each as it is under one name" in str(raised.value)
    assert "Do not record their sum" in str(raised.value)


@pytest.mark.parametrize(
    ("total", "errors", "said"),
    [
        ("sum(rate(x[5m]))", "sum(rate(y[5m]))", "its range is written out"),
        ("rate(x[{{.window}}])", "rate(y[{{.window}}])", "set `by`"),
        ("sum(irate(x[{{.window}}]))", "sum(irate(y[{{.window}}]))", "irate"),
        ("x", "sum(y)", "taken for a counter"),
    ],
)
def test_what_is_not_quite_the_same_is_said(total: str, errors: str, said: str) -> None:
    (remark,) = events(total, errors=errors).changed
    assert said in remark


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (comparison("up{a='b'}", ">=", 1), 'up{a="b"} >= bool 1'),
        (comparison("max by (a) (lag)", "<", 0.5), "(max by (a) (lag)) < bool 0.5"),
        (comparison("rate(x[{{.window}}])", "<", 3), "(rate(x[5m])) < bool 3"),
        (
            slices("sum(rate(x[1m]))", 0.95, good="sum(rate(y[1m]))"),
            "(sum (rate(y[5m])) or 0 * sum (rate(x[5m]))) / sum (rate(x[5m])) >= bool 0.95",
        ),
        (
            slices("x", 0.95, errors="y"),
            "(sum (rate(y[5m])) or 0 * sum (rate(x[5m]))) / sum (rate(x[5m])) <= bool 0.05",
        ),
    ],
)
def test_minutes_are_judged_by_a_comparison(found: Any, good: str) -> None:
    assert found.sli == {"slices": {"good": good}}
