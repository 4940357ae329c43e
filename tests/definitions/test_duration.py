from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.definitions import Duration

LONGEST_MS = 2**63 // 1_000_000 - 1


@given(st.integers(1, LONGEST_MS))
def test_a_printed_duration_is_read_as_the_same_duration(milliseconds: int) -> None:
    duration = Duration(milliseconds)

    assert Duration.parse(str(duration)) == duration


@given(st.integers(1, LONGEST_MS), st.integers(1, LONGEST_MS))
def test_durations_compare_as_lengths_of_time(one: int, other: int) -> None:
    assert (Duration(one) < Duration(other)) == (one < other)


@pytest.mark.parametrize(
    ("text", "shown", "seconds"),
    [
        ("90m", "1h30m", 5400),
        ("1w", "7d", 604_800),
        ("30d", "30d", 2_592_000),
        ("1d12h", "1d12h", 129_600),
        ("500ms", "500ms", 0.5),
        ("1h0m5s", "1h5s", 3605),
    ],
)
def test_a_duration_is_shown_as_promql_writes_it(text: str, shown: str, seconds: float) -> None:
    duration = Duration.parse(text)

    assert (str(duration), duration.seconds) == (shown, seconds)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "0",
            "0s",
            "5",
            "s",
            "5 m",
            " 5m",
            "5m ",
            "5m\n",
            "-5m",
            "+5m",
            "1.5h",
            "5M",
            "1y",
            "1m1h",
            "5m5m",
            "5min",
        ),
        *("1month", "٣d", "³d", "inf", "1e3s", "9" * 30 + "d", "99999w", "1d" * 20),
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        Duration.parse(text)


@given(st.text())
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        duration = Duration.parse(text)
    except ValueError:
        return
    assert 0 < duration.milliseconds <= LONGEST_MS
