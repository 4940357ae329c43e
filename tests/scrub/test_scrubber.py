"""The scrubber's own rules; how much it finds is in test_scrub_quality."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.monitoring import Scrubber
from slo_engine.monitoring.content import MAX_CONTENT
from slo_engine.monitoring.otlp import DROPPED_CONTENT, Spans
from slo_engine.scrub import Match
from slo_engine.scrub.check_digits import luhn, mod_97

KEY = "sk-" + "a1b2c3d4" * 4


def test_overlapping_findings_become_one_and_no_tail_is_left() -> None:
    text = f"postgres://ada:{KEY}@db.example.org/x and ada@example.org"
    scrubbed = Scrubber().scrub(text)
    assert scrubbed == "postgres://ada:[SECRET]@db.example.org/x and [EMAIL]" or "a1b2" not in scrubbed
    assert "example.org and" not in scrubbed.replace("@db.example.org/x and", "")
    both = Scrubber({"customer": r"C-\d+ \S+@"}).scrub("C-17 ada@example.org!")
    assert both in {"[EMAIL]!", "[CUSTOMER]!"}


def test_own_patterns_and_finders_join_in() -> None:
    def badges(text: str) -> Iterator[Match]:
        return (Match(match.start(), match.end(), "badge") for match in re.finditer("B[0-9]{4}", text))

    scrubber = Scrubber({"customer": r"C-\d+"}, finders=[badges])
    assert scrubber.scrub("C-17 wears B1234") == "[CUSTOMER] wears [BADGE]"
    with pytest.raises(re.error):
        Scrubber({"broken": "("})


HEX = "0123456789abcdef" * 2
MIXED = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKl"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        *(
            (f"key {start}{rest} refused", "key [SECRET] refused")
            for start, rest in (
                *(("tvly-", MIXED), ("tvly-dev-", MIXED), ("pcsk_4AbCdE_", MIXED), ("lsv2_pt_", f"{HEX}_{HEX[:10]}")),
                *(("fc-", HEX), ("pa-", MIXED[:43]), ("csk-", MIXED), ("llx-", MIXED), ("hvs.", MIXED)),
            )
        ),
        (
            f"https://api.telegram.org/bot123456789:AA{MIXED[:33]}/send",
            "https://api.telegram.org/bot123456789:[SECRET]/send",
        ),
        ("?sv=2024-11-04&sp=r&sig=AbC%2B0123%3D&x=1", "?sv=2024-11-04&sp=r&sig=[SECRET]&x=1"),
        (f"?X-Amz-Date=1&X-Amz-Signature={HEX}", "?X-Amz-Date=1&X-Amz-Signature=[SECRET]"),
        ("AccountName=a;AccountKey=AbC/0123+x==;Suffix=b", "AccountName=a;AccountKey=[SECRET];Suffix=b"),
        ("Set-Cookie: session=AbCdEf; Path=/; Secure", "Set-Cookie: session=[SECRET]; Secure"),
        ("{'cookie': 'a=b; session=AbCdEf', 'x': 1}", "{'cookie': 'a=[SECRET]', 'x': 1}"),
        ("[(b'set-cookie', b'session=AbCdEf')]", "[(b'set-cookie', b'session=[SECRET]')]"),
    ],
)
def test_keys_of_services_that_agents_use_are_found(text: str, left: str) -> None:
    assert Scrubber().scrub(text) == left


@pytest.mark.parametrize(
    "text",
    [
        *(f"spa-{MIXED}", f"func-{HEX} fc-12 fc-{HEX[:-1]}", "pa-northern-region-of-the-country-with-many-names-12-34"),
        *("config=A1b2c3d4e5 design=A1b2c3d4e5", "signature: f(a1b2c3d4e5)", "shard 123456789:AA of B", "task-csk-run"),
        *("cookie: no cookies were sent", "cookie_id=7 of the cookie jar", "version 2:AA 12:AAA", "pcsk_region"),
    ],
)
def test_what_only_begins_like_a_key_stays(text: str) -> None:
    assert Scrubber().scrub(text) == text


@given(st.text(max_size=300))
def test_any_text_is_scrubbed_without_harm_and_findings_are_in_order(text: str) -> None:
    found = Scrubber().find(text)
    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(left.end <= right.start for left, right in itertools.pairwise(found))


@given(st.text(alphabet="0123456789 +-().:@/abcdefAKIsk_='\"", max_size=200))
def test_scrubbing_twice_finds_nothing_new(text: str) -> None:
    once = Scrubber().scrub(text)
    assert len(Scrubber().find(once)) <= len(Scrubber().find(text))


def test_checksums() -> None:
    assert luhn("4111111111111111")
    assert not luhn("4111111111111112")
    assert mod_97("DE89370400440532013000")
    assert not mod_97("DE88370400440532013000")


def test_truncation_comes_after_scrubbing() -> None:
    spans = Spans(None, None, Scrubber().scrub)
    text = "x" * (MAX_CONTENT - 10) + f" {KEY} and more " + "y" * MAX_CONTENT
    cleaned = spans.clean(text)
    assert cleaned is not None
    assert "a1b2" not in cleaned
    assert cleaned.endswith("more characters)")
    assert len(cleaned) < MAX_CONTENT + 100


def test_a_scrubber_that_raises_lets_nothing_out() -> None:
    def broken(text: str) -> str:
        raise RuntimeError

    assert Spans(None, None, broken).clean(KEY) == DROPPED_CONTENT
    assert Spans(None, None, None).clean(KEY) == KEY  # switched off on purpose


HOSTILE = {
    "digits": "1" * 65_536,
    "digits and spaces": "1 " * 32_768,
    "phones": "+49 30 " * 9_000,
    "at signs": "@" * 65_536,
    "addresses in a row": "a@a." * 16_384,
    "colons": ":" * 65_536,
    "groups": "ab:" * 21_845,
    "private keys": "-----BEGIN PRIVATE KEY-----" * 2_400,
    "passwords": "password=" * 7_000,
    "bearers": "bearer " * 9_000,
    "letters": "a" * 65_536,
    "ibans": "DE89 " * 13_000,
    "dots": "1.1." * 16_384,
    "starts of keys": "sk-" * 21_845,
    "starts of tokens": "eyJ" * 21_845,
    "starts of other keys": "pa-" * 21_845,
    "bots": "12345678:AA" * 6_000,
    "cookies": "cookie: a=" * 6_500,
    "crumbs": "cookie: a=b" + "; c=d" * 13_000,
    "signatures": "sig=" * 16_384,
    "urls": "://a:" * 13_000,
    "open brackets": "(" * 65_536,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_takes_the_scrubber_more_than_linear_time(text: str) -> None:
    scrubber = Scrubber()

    def seconds(part: str) -> float:
        best = float("inf")
        for _ in range(3):
            begun = time.thread_time()
            scrubber.scrub(part)
            best = min(best, time.thread_time() - begun)
        return best

    # Quadratic work would be sixteen times as much for four times the text.
    assert seconds(text) < 8 * seconds(text[: len(text) // 4]) + 0.05


def test_presidio_adds_its_recognizers_without_a_model_and_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    from slo_engine.monitoring.presidio import PresidioFinder

    def refuse(*arguments: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    scrubber = Scrubber(finders=[PresidioFinder()])
    text = "NHS number 401 023 2137, card 4111 1111 1111 1111, mail ada@example.org"
    assert scrubber.scrub(text) == "NHS number [UK_NHS], card [CARD], mail [EMAIL]" or all(
        kind in scrubber.scrub(text) for kind in ("[UK_NHS]", "[EMAIL]", "CARD]")
    )
    assert scrubber.scrub("nothing to see here") == "nothing to see here"


def test_random_ids_survive_any_neighbourhood() -> None:
    rng = Random(7)
    scrubber = Scrubber()
    for _ in range(2000):
        trace_id = f"{rng.getrandbits(128):032x}"
        assert trace_id in scrubber.scrub(f"call +49 30 1234567 about {trace_id}, card 4111 1111 1111 1111")
