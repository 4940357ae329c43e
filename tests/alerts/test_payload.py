"""Reading what Alertmanager posts."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.alerts.payload import MAX_UNPACKED_BYTES, MalformedError, parse
from tests.alerts.payloads import body, notification

json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


def test_a_notification_is_read_as_it_is() -> None:
    read = parse(body())
    assert (read.receiver, read.status, len(read.alerts)) == ("slo-engine", "firing", 1)
    assert read.alerts[0].labels["slo"] == "success"
    assert read.alerts[0].is_firing
    assert read.raw == notification()


def test_keys_that_newer_alertmanagers_add_are_kept() -> None:
    posted = {**notification(), "notification_reason": "first notification", "routeLabels": {"a": "b"}}
    assert parse(json.dumps(posted).encode()).raw == posted


@pytest.mark.parametrize("missing", ["receiver", "status", "groupKey", "truncatedAlerts", "version", "commonLabels"])
def test_a_missing_key_does_not_lose_the_page(missing: str) -> None:
    posted = notification()
    del posted[missing]
    assert parse(json.dumps(posted).encode()).status == "firing"


@pytest.mark.parametrize("missing", ["annotations", "fingerprint", "status", "startsAt", "endsAt", "labels"])
def test_a_missing_key_of_an_alert_does_not_lose_the_page(missing: str) -> None:
    posted = notification()
    del posted["alerts"][0][missing]
    assert parse(json.dumps(posted).encode()).alerts[0].is_firing


def test_groups_are_told_apart_by_receiver_and_group_key() -> None:
    first, same, other = parse(body()), parse(body(status="resolved")), parse(body(group_key="another"))
    assert first.thread == same.thread != other.thread
    assert len(first.thread) == 64


@pytest.mark.parametrize(
    "posted",
    [
        *(b"", b"{", b"\xff", b"[]", b"3", b'{"alerts": null}', b'{"alerts": []}', b'{"alerts": [3]}', b"[" * 10**6),
        *(b'{"alerts": [{}], "x": NaN}', b'{"alerts": [{}], "x": -Infinity}'),
        b'{"alerts": [{}], "x": ' + b"1" * 9999 + b"}",
        b'{"alerts": [{}], "x": ' + b"[" * 60 + b"]" * 60 + b"}",
    ],
)
def test_what_is_no_notification_is_refused_with_a_reason(posted: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(posted)


@given(json_values)
def test_whatever_json_comes_is_read_or_refused_and_never_crashes(value: object) -> None:
    for posted in (value, {"alerts": value}, {"alerts": [value]}, {"alerts": [{"labels": value}]}):
        try:
            read = parse(json.dumps(posted).encode())
        except MalformedError:
            continue
        assert read.alerts
        assert read.title


@given(st.binary(max_size=200))
def test_whatever_bytes_come_are_read_or_refused(posted: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(posted)


@given(st.text(st.characters(categories=["Cs", "Ll", "Cc"]), max_size=20))
def test_half_characters_do_not_get_past_the_door(name: str) -> None:
    posted = notification(group_key=name)
    posted["receiver"] = posted["alerts"][0]["annotations"]["summary"] = name or "x"
    read = parse(json.dumps(posted).encode())
    for text in (read.title, read.receiver, read.thread, json.dumps(read.raw, ensure_ascii=False)):
        text.encode()


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_too_large_for_python_does_not_lose_the_page(number: str) -> None:
    posted = body()[:-1] + f', "x": {number}}}'.encode()
    read = parse(posted)
    assert read.raw["x"] == number
    json.dumps(read.raw, allow_nan=False)


@pytest.mark.parametrize("encoded", [b"\xed\xa0\x80", b"\xff"])
def test_bytes_that_are_no_text_are_replaced_and_the_page_is_read(encoded: bytes) -> None:
    read = parse(body().replace(b"support_agent", b"support" + encoded))
    json.dumps(read.raw, ensure_ascii=False).encode()
    assert read.alerts[0].labels["agent_type"].startswith("support")


def test_more_alerts_than_anybody_reads_are_read() -> None:
    assert len(parse(b'{"alerts": [' + b",".join([b"{}"] * 10_001) + b"]}").alerts) == 10_001


def test_an_alert_that_cannot_be_read_is_set_aside_and_the_others_are_read() -> None:
    read = parse(b'{"alerts": [{"labels": {"alertname": "A"}}, null, {"labels": []}, {"annotations": 1}]}')
    assert [alert.name for alert in read.alerts] == ["A"]
    assert [str(each) for each in read.unreadable] == [
        "alerts[1]: expected a JSON object",
        "alerts[2].labels: expected a JSON object",
        "alerts[3].annotations: expected a JSON object",
    ]
    assert read.raw["alerts"] == [{"labels": {"alertname": "A"}}]


def test_a_compressed_body_is_read_and_a_bomb_is_not() -> None:
    assert parse(gzip.compress(body())) == parse(body())
    with pytest.raises(MalformedError, match="unpacked"):
        parse(gzip.compress(b" " * (MAX_UNPACKED_BYTES + 1)))
    with pytest.raises(MalformedError, match="gzip"):
        parse(gzip.compress(body())[:-20])
