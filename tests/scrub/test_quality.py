"""How much of what is private the scrubber finds in agents' texts, and how much of what is not it leaves alone."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest

from slo_engine.scrub import Match, Scrubber
from tests.scrub.pii import KINDS, Document, Entity, documents

SEED = 20250807
TEXTS = documents(SEED, 600)
IDS = 6000

Place = tuple[Document, Entity | Match]


@pytest.fixture(scope="module")
def scrubber() -> Scrubber:
    return Scrubber()


@pytest.fixture(scope="module")
def found(scrubber: Scrubber) -> list[list[Match]]:
    """Findings in each of the texts."""
    return [scrubber.find(each.text) for each in TEXTS]


def is_found(entity: Entity, findings: Sequence[Match]) -> bool:
    """At least 90 % of its characters are inside findings, of whatever kind."""
    inside = sum(max(0, min(entity.end, each.end) - max(entity.start, each.start)) for each in findings)
    return inside >= 0.9 * (entity.end - entity.start)


def is_right(finding: Match, entities: Sequence[Entity]) -> bool:
    return any(finding.start < each.end and each.start < finding.end for each in entities)


def missed(found: list[list[Match]], kinds: Sequence[str] = KINDS) -> list[tuple[Document, Entity]]:
    return [
        (text, entity)
        for text, findings in zip(TEXTS, found, strict=True)
        for entity in text.entities
        if entity.kind in kinds and not is_found(entity, findings)
    ]


def examples(places: Sequence[Place], count: int = 12) -> str:
    """By kind, each in its surroundings."""
    lines = []
    for kind, number in Counter(place.kind for _, place in places).most_common():
        lines.append(f"{kind}: {number}")
        for text, place in [each for each in places if each[1].kind == kind][:count]:
            before, after = text.text[max(0, place.start - 25) : place.start], text.text[place.end : place.end + 15]
            lines.append(f"    {before!r} >>> {text.text[place.start : place.end][:100]!r} <<< {after!r}")
    return "\n".join(lines)


def test_of_all_that_is_private_93_percent_is_found(found: list[list[Match]]) -> None:
    total = sum(len(each.entities) for each in TEXTS)
    unseen = missed(found)
    recall = 1 - len(unseen) / total
    assert recall >= 0.93, f"recall {recall:.3f} of {total}; missed:\n{examples(unseen)}"


@pytest.mark.parametrize("kind", KINDS)
def test_of_every_kind_85_percent_is_found(found: list[list[Match]], kind: str) -> None:
    total = sum(entity.kind == kind for each in TEXTS for entity in each.entities)
    unseen = missed(found, [kind])
    recall = 1 - len(unseen) / total
    assert recall >= 0.85, f"recall {recall:.3f} of {total}; missed:\n{examples(unseen, 40)}"


def test_of_all_findings_97_percent_are_private(found: list[list[Match]]) -> None:
    total = sum(map(len, found))
    false = [
        (text, finding)
        for text, findings in zip(TEXTS, found, strict=True)
        for finding in findings
        if not is_right(finding, text.entities)
    ]
    assert total, "nothing was found"
    precision = 1 - len(false) / total
    assert precision >= 0.97, f"precision {precision:.3f} of {total}; false:\n{examples(false)}"


def test_findings_are_in_order_of_known_kinds_and_never_overlap(found: list[list[Match]]) -> None:
    for text, findings in zip(TEXTS, found, strict=True):
        end = 0
        for each in findings:
            assert end <= each.start < each.end <= len(text.text), findings
            assert each.kind in KINDS
            end = each.end


def test_nothing_that_was_found_can_be_read_afterwards(scrubber: Scrubber, found: list[list[Match]]) -> None:
    readable = []
    for text, findings in zip(TEXTS, found, strict=True):
        scrubbed = scrubber.scrub(text.text)
        readable += [
            (text, entity) for entity in text.entities if is_found(entity, findings) and text.value(entity) in scrubbed
        ]
    assert not readable, examples(readable)


def test_scrub_replaces_what_find_found_and_nothing_else(scrubber: Scrubber, found: list[list[Match]]) -> None:
    for text, findings in zip(TEXTS, found, strict=True):
        starts, ends = [each.start for each in findings], [each.end for each in findings]
        between = [text.text[end:start] for end, start in zip([0, *ends], [*starts, len(text.text)], strict=True)]
        expected = r"\[[^\[\]]+\]".join(map(re.escape, between))
        assert re.fullmatch(expected, scrubber.scrub(text.text)), text.text


# --- Ids of traces, spans and runs: without them a masked trace cannot be found again -------------------------------

SURROUNDINGS = (
    "{id}",
    " {id}\n",
    '{{"trace_id": "{id}", "tokens": 1532}}',
    "{{'run_id': '{id}'}}",
    "[{id}]",
    "({id})",
    "<{id}>",
    "`{id}`, then {id}.",
    "run {id}: failed; see {id}!",
    "trace_id={id} status=ok",
    "id:{id}",
    "#{id}",
    "task-{id}",
    "run_{id}",
    "{id}.json",
    "{id},{id},2025-08-07,17:03:22",
    "{id}\t{id}\n{id}",
    "https://cloud.langfuse.com/project/p1/traces/{id}",
    "http://localhost:8080/v1/runs/{id}/steps?parent={id}&limit=10",
    "s3://agent-runs/2025/08/07/{id}/answer.json.gz",
    "GET /runs/{id} HTTP/1.1",
    "x-request-id: {id}\r\nhost: example.org",
    "SELECT * FROM runs WHERE id = '{id}'::uuid AND n > 10",
    "| {id} | 0.42 | 1,234 |",
    "KeyError: '{id}'",
    "anna.schmidt@example.org started {id} at 12:03:44",
    "user +49 171 2345678, trace {id}, card 4111 1111 1111 1111",
    "{id} from 198.51.100.7",
)


def hexadecimal(rng: Random, length: int) -> str:
    """As likely as not far more digits than letters: those look like numbers of cards and phones."""
    alphabet = rng.choice(
        ("0123456789abcdef", "0123456789abcdef", "0123456789" * 3 + "abcdef", "0123456789" * 12 + "abcdef")
    )
    return "".join(rng.choices(alphabet, k=length))


def touched(scrubber: Scrubber, texts: Sequence[tuple[str, str]]) -> list[str]:
    """Of pairs of an id and a text that holds it: the texts after which it does not stand as often as before."""
    return [
        f"{text!r} -> {after!r}"
        for each, text in texts
        if (after := scrubber.scrub(text)).count(each) != text.count(each)
    ]


def report(changed: list[str]) -> str:
    return f"{len(changed)} of {IDS} ids touched:\n" + "\n".join(changed[:20])


def test_a_trace_id_is_never_touched(scrubber: Scrubber) -> None:
    rng = Random(SEED)
    ids = [hexadecimal(rng, 32) for _ in range(IDS)]
    ids += ["".join(rng.choices("0123456789", k=32)) for _ in range(IDS // 10)]
    changed = touched(scrubber, [(each, rng.choice(SURROUNDINGS).format(id=each)) for each in ids])
    assert not changed, report(changed)


def test_a_run_id_is_never_touched(scrubber: Scrubber) -> None:
    rng = Random(SEED)
    ids = [str(uuid.UUID(hexadecimal(rng, 32), version=rng.choice((1, 4, 5)))) for _ in range(IDS)]
    ids += [str(uuid.UUID("".join(rng.choices("0123456789", k=32)))) for _ in range(IDS // 10)]
    ids = [each.upper() if rng.random() < 0.2 else each for each in ids]
    changed = touched(scrubber, [(each, rng.choice(SURROUNDINGS).format(id=each)) for each in ids])
    assert not changed, report(changed)


def test_a_span_id_is_never_touched_unless_it_is_a_number(scrubber: Scrubber) -> None:
    rng = Random(SEED)
    ids = [each for each in (hexadecimal(rng, 16) for _ in range(IDS)) if not each.isdigit()]
    changed = touched(scrubber, [(each, rng.choice(SURROUNDINGS).format(id=each)) for each in ids])
    assert not changed, report(changed)


def test_headers_that_carry_a_trace_on_are_never_touched(scrubber: Scrubber) -> None:
    rng = Random(SEED)
    headers = []
    for _ in range(IDS):
        trace, span = hexadecimal(rng, 32), hexadecimal(rng, 16)
        if not span.isdigit():
            headers += [f"00-{trace}-{span}-01", f"{trace}-{span}-1", f"{trace}:{span}:0:1"]
    changed = touched(scrubber, [(each, f"traceparent: {each}\n") for each in headers])
    assert not changed, report(changed)


# --- The texts themselves -------------------------------------------------------------------------------------------

SHAPES = {
    "email": r"[\w.+-]+@([a-z\d-]+\.)+[a-z]{2,}",
    "phone": r"(?=(\D*\d){9})[+(\d][\d ()./-]+\d( (ext\. |x)\d{3})?",
    "card": r"\d{4}([ -]?)(\d{4}\1\d{4}\1\d{4}|\d{6}\1\d{4,5})",
    "iban": r"[A-Z]{2}\d\d[A-Z\d]{11,}|[A-Z]{2}\d\d( [A-Z\d]{4})+( [A-Z\d]{1,3})?",
    "ssn": r"(?!000|666|9)\d{3}([ -])(?!00)\d\d\1(?!0000)\d{4}",
    "ip": r"[\da-f.:]{7,}",
    "secret": r"[\w.!+/-]{10,}|-----BEGIN (RSA |OPENSSH )?PRIVATE KEY-----[\w+/=\s\\-]+ PRIVATE KEY-----",
}
PREFIXES = (
    *(
        "sk-proj-",
        "sk-ant-api03-",
        "sk-lf-",
        "AKIA",
        "AIza",
        "ghp_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "sk_live_",
        "hf_",
    ),
    *("gsk_", "npm_", "pypi-", "SG.", "eyJ", "-----BEGIN "),
)
DIALLED = re.compile(r"(?:\+|00)(1|44|49|33|34|39|31|41|91|81|61|55)")


def values(kind: str) -> list[str]:
    return [text.value(entity) for text in TEXTS for entity in text.entities if entity.kind == kind]


def passes_luhn(number: str) -> bool:
    digits = [int(each) for each in number if each.isdigit()]
    return (sum(digits[-1::-2]) + sum(sum(divmod(2 * each, 10)) for each in digits[-2::-2])) % 10 == 0


def test_the_same_seed_gives_the_same_texts_and_another_gives_others() -> None:
    assert documents(SEED, 40) == TEXTS[:40] != documents(SEED + 1, 40)


def test_the_texts_hold_enough_of_every_kind_and_some_hold_nothing_private() -> None:
    kinds = Counter(entity.kind for text in TEXTS for entity in text.entities)
    assert kinds.total() >= 1000
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= 100, kinds
    assert sum(not text.entities for text in TEXTS) >= 100


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_at_a_recorded_position_is_of_its_kind(kind: str) -> None:
    odd = [each for each in values(kind) if not re.fullmatch(SHAPES[kind], each, re.ASCII | re.IGNORECASE)]
    assert not odd


def test_positions_are_in_order_and_what_stands_there_stands_nowhere_else_in_the_text() -> None:
    for text in TEXTS:
        end = 0
        for entity in text.entities:
            assert end <= entity.start < entity.end <= len(text.text)
            assert text.text.count(text.value(entity)) == 1, text.value(entity)
            end = entity.end


def test_checksums_of_cards_and_accounts_are_right_and_addresses_are_addresses() -> None:
    assert all(map(passes_luhn, values("card")))
    for iban in values("iban"):
        plain = iban.replace(" ", "")
        assert int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1, iban
    assert {ipaddress.ip_address(each).version for each in values("ip")} == {4, 6}


def test_numbers_that_are_no_cards_fail_the_checksum() -> None:
    grouped = re.compile(r"(?<![\w-])\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}(?![\w-])")
    numbers = [
        number[0]
        for text in TEXTS
        for number in grouped.finditer(text.text)
        if not any(entity.start < number.end() and number.start() < entity.end for entity in text.entities)
    ]
    assert len(numbers) >= 50
    assert not any(map(passes_luhn, numbers))


def test_phones_and_accounts_are_from_ten_countries_and_secrets_from_all_providers() -> None:
    assert len({dialled[1] for each in values("phone") if (dialled := DIALLED.match(each))}) >= 10
    assert len({each[:2] for each in values("iban")}) >= 10
    secrets = values("secret")
    assert not [prefix for prefix in PREFIXES if not any(each.startswith(prefix) for each in secrets)]
