"""What may leave the engine."""

from __future__ import annotations

import time

import pytest

from slo_engine.scrub.outgoing import outgoing, outgoing_text


def test_addresses_of_machines_stay_and_those_of_people_do_not() -> None:
    kept = "10.1.2.3:9100 172.20.0.1 192.168.1.1 127.0.0.1 fe80::1 ::1 fd00::12"
    assert outgoing_text(kept) == kept
    assert outgoing_text("from 81.2.69.142 and 2a02:8109:9440:1234:5678:9abc:def0:1234") == "from [IP] and [IP]"


def test_two_keys_that_are_masked_alike_are_still_two() -> None:
    assert outgoing({"a@example.com": 1, "b@example.com": [2, None, True, 0.5]}) == {
        "[EMAIL]": 1,
        "[EMAIL] 2": [2, None, True, 0.5],
    }


def test_fingerprints_are_left_alone_whatever_their_digits_look_like() -> None:
    found = {"fingerprint": "4111111111111111", "fingerprints": ["de89370400440532"]}
    assert outgoing(found) == found
    assert outgoing_text("be68539007547034") == "be68539007547034"


def test_a_card_that_stands_alone_is_no_fingerprint() -> None:
    assert outgoing_text("4111111111111111") == "[CARD]"
    assert outgoing({"customer": "5555555555554444", "4111111111111111": 1}) == {"customer": "[CARD]", "[CARD]": 1}
    assert outgoing_text("4111111111111112") == "4111111111111112"


@pytest.mark.parametrize("worst", ["\\\\" * 100_000, "a@b.co 7b0f7e2e-8a35-4b6a-9f57-3f6b0f1a2c3d " * 5_000])
def test_the_worst_text_takes_a_time_that_grows_with_its_length(worst: str) -> None:
    """Quadratic, the first took minutes, the second half a minute."""
    started = time.process_time()
    outgoing_text(worst)
    assert time.process_time() - started < 10
