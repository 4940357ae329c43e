"""What all sections say together, in a line or two: the first that is read of a notification. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from slo_engine import amounts
from slo_engine.notifications import Section

NAME = "answer"

CLEAR = 0.2
"""The smallest share of failing runs for a cause to be the answer: many small ones are no clear cause."""

FEWEST = 3
"""Failures that must be alike to be called a cause: one alone may be anything."""

AT_THE_START = 0.03
"""What was seen in so small a part of the window after its beginning may have begun long before it."""

Data = Mapping[str, Any]


def answer_of(sections: Sequence[Section]) -> Section | None:
    """The answer; None: nobody has one."""
    data = {section.name: section.data for section in sections if section.data is not None}
    said = " ".join(sentence for say in _SENTENCES for sentence in say(data))
    return Section(NAME, said) if said else None


def _causes(data: Mapping[str, Data]) -> Iterator[str]:
    found = data.get("causes")
    if not found or not found["causes"]:
        return
    cause = found["causes"][0]
    noun = found["of"].removesuffix(" read")
    if cause["count"] < FEWEST:
        noun = noun if found["failed"] > 1 else noun.removesuffix("s")
        yield (
            f"No clear cause, of {found['failed']:,} {noun} that {'were' if found['failed'] > 1 else 'was'} read: "
            f"{cause['what']}, {cause['message']} ({cause['count']:,})."
        )
        return
    if cause["share"] < CLEAR:
        yield (
            f"No clear cause: the most frequent of {found['failed']:,} {noun} is "
            f"{cause['what']}, {cause['message']} ({amounts.about_percent(cause['share'])})."
        )
        return
    whole = f" of {found['failed_in_all']:,} in all" if found["partial"] and found["failed_in_all"] else ""
    of = f"{cause['count']:,} of {'the newest ' if found['partial'] else ''}{found['failed']:,}{whole}"
    yield f"{amounts.about_percent(cause['share'])} of {noun}: {cause['what']}, {cause['message']} ({of} read)."


def _traits(data: Mapping[str, Data]) -> Iterator[str]:
    found = data.get("contrast")
    for trait in found["traits"][:1] if found else ():
        shares = (
            f"{amounts.about_percent(trait['share_of_bad'])}; others {amounts.about_percent(trait['share_of_good'])}"
        )
        kept = found["sample_rate"] if found else 1.0
        sampled = f", of which {amounts.about_percent(kept)} are kept" if kept < 1 else ""
        told = " or ".join([trait["text"], *trait["same_runs"]])
        causes = (data.get("causes") or {}).get("causes") or [None]
        first = causes[0] and f"{causes[0]['what']}: {causes[0]['message']}"
        who = "They" if found is None or found["cause"] in (None, first) else f"Those of {found['cause']}"
        yield f"{who} have {told} ({shares}{sampled}){_change(data, trait)}."


def _change(data: Mapping[str, Data], trait: Data) -> str:
    changes = data.get("changes")
    for change in changes["changes"] if changes else ():
        if change["text"] == trait["text"]:
            return f", new since {_clock(change['first_seen'])}"
    return ""


def _since_when(data: Mapping[str, Data]) -> Iterator[str]:
    found = data.get("causes")
    if not found or not found["causes"] or found["causes"][0]["share"] < CLEAR:
        return
    cause = found["causes"][0]
    if cause["count"] < FEWEST:
        return
    first, begin, end = (datetime.fromisoformat(text) for text in (cause["first_seen"], found["from"], found["to"]))
    remembered = data.get("memory", {}).get("causes", ())
    known = "; ".join(each["text"] for each in remembered if each["cause"] == f"{cause['what']}: {cause['message']}")
    if first - begin < AT_THE_START * (end - begin):
        since = f"Seen since {_clock(found['from'])} or earlier"
    else:
        since = f"First seen {'' if cause['first_seen_is_exact'] else 'before '}{_clock(cause['first_seen'])}"
    yield f"{since}; {known}." if known else f"{since}."


def _own(name: str) -> Any:
    def say(data: Mapping[str, Data]) -> Iterator[str]:
        found = data.get(name)
        if found and found.get("answer"):
            yield found["answer"]

    return say


def _clock(time: str) -> str:
    return amounts.minute(time)[11:16]


_SENTENCES = (_causes, _own("exemplars"), _own("slow_steps"), _own("scores"), _own("spend"), _traits, _since_when)
"""In their order. A source that has an answer of its own says it as ``answer`` in its data."""
