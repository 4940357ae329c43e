"""Incidents: the notifications of one thread, from the first that fires to the one that resolves it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from slo_engine.notifications import Link, as_payload, restored
from slo_engine.notifications.alertmanager import ENRICHMENT, fingerprint_of
from slo_engine.store.causes import SILENT_SECONDS, TWINS_SECONDS
from slo_engine.store.messages import MessageHead, StoredMessage

KINDS = frozenset({"firing", "resolved", "update"})
"""Of the messages that are about alerts. Those of all other kinds are posts of the engine itself."""

SHOWN_FIRST = 1
SHOWN_LAST = 9
"""Of the notifications of an incident that has more: how it began, and how it stands."""

MOST_LINKS = 3
"""Of each kind: a hundred alerts of one group have a hundred addresses."""

LONGEST_LINK = 8000
"""Prometheus writes the whole expression into its address."""

_SKEW_SECONDS = 60.0
"""How far the clock of Prometheus may be ahead of ours."""

_OLDEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
"""Go writes a time that is not set as the year 1."""

State = Literal["firing", "resolved", "silent"]
"""``silent``: nobody said that it is resolved, and it would have been repeated long ago."""


@dataclass(frozen=True)
class Incident:
    """Messages that belong together, oldest first."""

    messages: tuple[MessageHead, ...]
    is_whole: bool
    """Whether the first of them is the first there was: older ones may not have been read."""

    @property
    def newest(self) -> MessageHead:
        """What was said last."""
        return self.messages[-1]

    @property
    def severity(self) -> str | None:
        """Of what fired last."""
        fired = (each.severity for each in reversed(self.messages) if each.kind == "firing")
        return next(fired, self.newest.severity)

    @property
    def seems_open(self) -> bool:
        """Whether it was not resolved in the end. :attr:`Told.state` knows from the contents."""
        return next((each.kind for each in reversed(self.messages) if each.kind != "update"), "firing") == "firing"

    @property
    def shown(self) -> tuple[MessageHead, ...]:
        """The messages that a timeline has room for, oldest first."""
        if len(self.messages) <= SHOWN_FIRST + SHOWN_LAST:
            return self.messages
        return self.messages[:SHOWN_FIRST] + self.messages[-SHOWN_LAST:]


@dataclass(frozen=True)
class FiringAlert:
    """An alert that fires, as the newest notification of its incident has it."""

    labels: Mapping[str, str]
    starts_at: float | None
    """Unix seconds; None: it does not say."""


@dataclass(frozen=True)
class Entry:
    """One line of a timeline: a message, what happened before there was one, or how many are left out."""

    what: str
    message: MessageHead | None = None
    happened_at: float | None = None
    """Of what is no message; Unix seconds."""

    @property
    def at(self) -> float | None:
        """When it was; None for what is left out."""
        return self.message.received_at if self.message is not None else self.happened_at


@dataclass(frozen=True)
class Told:
    """An incident with what its messages say. Times are Unix seconds."""

    incident: Incident
    state: State
    since: float | None
    """When the first of its alerts began to fire; None: not known."""
    ended_at: float | None
    """When the last of them ended."""
    enrichment: Mapping[str, Any]
    """Of the newest message with an answer or, if none has one, with any evidence."""
    explained_by: MessageHead | None
    """That message."""
    links: tuple[Link, ...]
    firing: tuple[FiringAlert, ...]
    timeline: tuple[Entry, ...]
    labels: tuple[Mapping[str, str], ...] = ()
    """Of all alerts that it was about, as far as its messages were read."""

    @property
    def anchor(self) -> str:
        """What identifies it, on the page and in its address, as long as it is read from its beginning."""
        return self.incident.messages[0].key

    def until(self, now: float) -> float:
        """When it was over, or now; of one that nobody speaks of any more, when it was last spoken of."""
        return now if self.state == "firing" else self.ended_at or self.incident.newest.received_at


def incidents(heads: Iterable[MessageHead], *, is_all: bool) -> list[Incident]:
    """Incidents in the order in which they began. ``is_all``: there are no older messages than these."""
    ordered = sorted(heads, key=lambda each: each.id)
    current: dict[str, list[MessageHead]] = {}
    found: list[tuple[list[MessageHead], bool]] = []
    for head in ordered:
        if head.kind not in KINDS:
            continue
        known = current.get(head.thread)
        if known is not None and not _begins_another(known, head):
            known.append(head)
            continue
        # After so much silence what came before would not belong to it, whatever it was.
        is_whole = is_all or known is not None or head.received_at - ordered[0].received_at > SILENT_SECONDS
        current[head.thread] = [head]
        found.append((current[head.thread], is_whole))
    return [Incident(tuple(messages), is_whole) for messages, is_whole in found]


def told(incident: Incident, read: Mapping[int, StoredMessage], now: float) -> Told:
    """What the messages say; ``read`` has those whose contents were read."""
    alerts = {each.id: _alerts(read[each.id]) for each in incident.messages if each.id in read}
    late = _late_copies(incident, alerts)
    state = _state(incident, late, now)
    since = _since(incident, alerts)
    explaining, enrichment = _evidence(incident, read)
    return Told(
        incident=incident,
        state=state,
        since=since,
        ended_at=_ended_at(incident, alerts, since) if state == "resolved" else None,
        enrichment=enrichment,
        explained_by=explaining,
        links=_links(incident, read),
        firing=_firing(incident, alerts, since) if state == "firing" else (),
        timeline=tuple(_timeline(incident, alerts, late, since)),
        labels=tuple({each.fingerprint: each.labels for those in alerts.values() for each in those}.values()),
    )


def is_link(value: Any) -> bool:
    """Whether a text may stand in href: an address of the web, and never a script."""
    return isinstance(value, str) and value.startswith(("http://", "https://")) and len(value) <= LONGEST_LINK


@dataclass(frozen=True)
class _Alert:
    fingerprint: str
    is_firing: bool
    starts_at: float | None
    ends_at: float | None
    labels: Mapping[str, str]


_Alerts = Mapping[int, Sequence[_Alert]]
"""The alerts of the messages that were read, by the ids of the messages."""


def _begins_another(known: Sequence[MessageHead], head: MessageHead) -> bool:
    if head.received_at - known[-1].received_at > SILENT_SECONDS:
        return True
    last = next((each for each in reversed(known) if each.kind != "update"), known[-1])
    # The other Alertmanager of a pair may say late what the first one said before.
    return last.kind == "resolved" and head.kind == "firing" and head.received_at - last.received_at > TWINS_SECONDS


def _late_copies(incident: Incident, alerts: _Alerts) -> set[int]:
    """The notifications that fire after the incident was resolved, and know of no alert that was not part of it: the
    other Alertmanager of a pair was late."""
    known: set[tuple[str, float]] = set()
    late: set[int] = set()
    is_resolved = False
    for head in incident.messages:
        is_resolved = is_resolved or head.kind == "resolved"
        if head.kind != "firing":
            continue
        fires = [each for each in alerts.get(head.id, ()) if each.is_firing]
        episodes = {(each.fingerprint, each.starts_at) for each in fires if each.starts_at is not None}
        if is_resolved and fires and len(episodes) == len(fires) and episodes <= known:
            late.add(head.id)
        elif is_resolved:
            is_resolved = False
        known |= episodes
    return late


def _state(incident: Incident, late: set[int], now: float) -> State:
    said = [each for each in incident.messages if each.kind != "update" and each.id not in late]
    if said and said[-1].kind == "resolved":
        return "resolved"
    return "silent" if now - incident.newest.received_at > SILENT_SECONDS else "firing"


def _since(incident: Incident, alerts: _Alerts) -> float | None:
    if not incident.is_whole:
        return None
    starts = [
        alert.starts_at
        for head in incident.messages
        for alert in alerts.get(head.id, ())
        if (alert.is_firing or head.kind == "resolved")
        if alert.starts_at is not None and _is_possible(alert.starts_at, head)
    ]
    if incident.messages[0].kind == "firing":
        # It fired when that was first said, whatever the alerts say, and whether that could be read or not.
        starts.append(incident.messages[0].received_at)
    return min(starts, default=None)


def _ended_at(incident: Incident, alerts: _Alerts, since: float | None) -> float:
    resolved = next(each for each in reversed(incident.messages) if each.kind == "resolved")
    ends = [each.ends_at for each in alerts.get(resolved.id, ())]
    said = [each for each in ends if each is not None and _is_possible(each, resolved) and each >= (since or 0)]
    return max(said) if said and len(said) == len(ends) else resolved.received_at


def _firing(incident: Incident, alerts: _Alerts, since: float | None) -> tuple[FiringAlert, ...]:
    fired = [each for each in incident.messages if each.kind == "firing"]
    if not fired:
        return ()
    newest = fired[-1]
    # What has been said once only, without a time, has been so since then: an alert may have been added later.
    unsaid = since if len(fired) == 1 else None
    return tuple(
        FiringAlert(each.labels, each.starts_at if _is_possible(each.starts_at, newest) else unsaid)
        for each in alerts.get(newest.id, ())
        if each.is_firing
    )


def _is_possible(time: float | None, said: MessageHead) -> bool:
    """Whether it was over when that was said."""
    return time is not None and time <= said.received_at + _SKEW_SECONDS


def _evidence(incident: Incident, read: Mapping[int, StoredMessage]) -> tuple[MessageHead | None, Mapping[str, Any]]:
    found = [
        (head, enrichment)
        for head in reversed(incident.messages)
        if head.id in read and (enrichment := enrichment_of(read[head.id]))
    ]
    for is_enough in (_has_an_answer, _has_subjects, bool):
        for head, enrichment in found:
            if is_enough(enrichment):
                return head, enrichment
    return None, {}


def enrichment_of(stored: StoredMessage) -> Mapping[str, Any]:
    """The evidence of a message, as it leaves; empty where there is none, or none that can be read."""
    # What still gathers its evidence is as it was posted, and not scrubbed yet.
    if stored.state != "ready":
        return {}
    try:
        found = as_payload(restored(stored)).get(ENRICHMENT)
    except (KeyError, TypeError, ValueError):  # written by another version
        return {}
    return _in_known_form(found) if isinstance(found, dict) else {}


def _in_known_form(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what another version may have written in a form that no page knows."""
    subjects = [_subject_in_known_form(each) for each in _mappings(found.get("subjects"))]
    return {**found, "subjects": subjects, "missing": _mappings(found.get("missing"))}


def _subject_in_known_form(subject: Mapping[str, Any]) -> Mapping[str, Any]:
    made = dict(subject)
    for key, kind in (("group", dict), ("texts", dict), ("status", dict), ("traces", dict), ("answer", str)):
        if made.get(key) is not None and not isinstance(made[key], kind):
            del made[key]
    made.setdefault("traces", None)
    made.setdefault("status", None)
    made["group"] = _texts(made.get("group"))
    made["texts"] = _texts(made.get("texts"))
    if made["traces"] is not None:
        made["traces"] = {
            **made["traces"],
            "causes": [_cause(each) for each in _mappings(made["traces"].get("causes"))],
        }
    return made


def _cause(found: Mapping[str, Any]) -> Mapping[str, Any]:
    share, count = found.get("share"), found.get("count")
    return {
        **found,
        "what": str(found.get("what") or ""),
        "message": str(found.get("message") or ""),
        "share": share if isinstance(share, int | float) else 0.0,
        "count": count if isinstance(count, int) else 0,
        "traces": [{**each, "id": str(each.get("id") or "")} for each in _mappings(found.get("traces"))],
    }


def _has_an_answer(enrichment: Mapping[str, Any]) -> bool:
    return any(each.get("answer") or causes_of(each) for each in subjects_of(enrichment))


def _has_subjects(enrichment: Mapping[str, Any]) -> bool:
    return bool(subjects_of(enrichment))


def subjects_of(enrichment: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What the evidence is about."""
    found: Sequence[Mapping[str, Any]] = enrichment.get("subjects") or ()
    return found


def causes_of(subject: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Of a subject, the most frequent first."""
    found: Sequence[Mapping[str, Any]] = (subject.get("traces") or {}).get("causes") or ()
    return found


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _links(incident: Incident, read: Mapping[int, StoredMessage]) -> tuple[Link, ...]:
    """Where the newest notification that was read leads to: the alerts that fire before those that have ended."""
    for head in reversed(incident.messages):
        stored = read.get(head.id)
        if stored is None or stored.state != "ready":
            continue
        payload = _payload(stored)
        posted = sorted(_posted(payload), key=lambda each: not _is_firing(each))
        annotations = [_texts(each.get("annotations")) for each in posted]
        found = (
            *_links_of("Runbook", [each.get("runbook_url") for each in annotations]),
            *_links_of("Dashboard", [each.get("dashboard_url") for each in annotations]),
            *_links_of("Prometheus", [each.get("generatorURL") for each in posted]),
            *_links_of("Alertmanager", [payload.get("externalURL")]),
        )
        if found:
            return found
    return ()


def _links_of(title: str, urls: Iterable[Any]) -> list[Link]:
    different = list(dict.fromkeys(url for url in urls if is_link(url)))[:MOST_LINKS]
    return [Link(f"{title} {number}" if number > 1 else title, url) for number, url in enumerate(different, 1)]


def _timeline(incident: Incident, alerts: _Alerts, late: set[int], since: float | None) -> Iterator[Entry]:
    if not incident.is_whole:
        yield Entry("earlier notifications are not shown")
    elif since is not None and since < incident.messages[0].received_at:
        yield Entry("the alert fires", happened_at=since)
    left_out = len(incident.messages) - len(incident.shown)
    before: MessageHead | None = None
    has_fired = not incident.is_whole
    for index, head in enumerate(incident.shown):
        if left_out and index == SHOWN_FIRST:
            yield Entry(f"{left_out} notifications in between")
            before = None
        if head.kind == "update":
            yield Entry("evidence came late", head)
        elif head.id in late:
            yield Entry("fires, said late: these alerts had ended", head)
        else:
            yield Entry(_what(head, before, alerts, has_fired=has_fired), head)
            before, has_fired = head, True


def _what(head: MessageHead, before: MessageHead | None, alerts: _Alerts, *, has_fired: bool) -> str:
    """``before``: the one before it that fires or resolves, where that is shown."""
    if head.kind == "resolved":
        return "resolved" if before is None or before.kind != "resolved" else "resolved, said again"
    now = _fingerprints(alerts.get(head.id))
    counted = "" if now is None else f": {_alerts_in_words(len(now))}"
    if not has_fired:
        return f"first notification{counted}"
    if before is not None and before.kind == "resolved":
        return f"fires again{counted}"
    then = None if before is None else _fingerprints(alerts.get(before.id))
    if now is None or then is None:
        return f"notified again{counted}"
    changes = [
        f"{_alerts_in_words(len(changed))} {what}"
        for changed, what in ((now - then, "added"), (then - now, "ended"))
        if changed
    ]
    return ", ".join(changes) or "repeat"


def _alerts_in_words(count: int) -> str:
    return "1 alert" if count == 1 else f"{count:,} alerts"


def _fingerprints(alerts: Sequence[_Alert] | None) -> set[str] | None:
    return None if alerts is None else {each.fingerprint for each in alerts if each.is_firing}


def _alerts(stored: StoredMessage) -> list[_Alert]:
    return [
        _Alert(
            fingerprint_of({**each, "labels": _texts(each.get("labels"))}),
            _is_firing(each),
            seconds_of(each.get("startsAt")),
            seconds_of(each.get("endsAt")),
            _texts(each.get("labels")),
        )
        for each in _posted(_payload(stored))
    ]


def _payload(stored: StoredMessage) -> Mapping[str, Any]:
    found = stored.content.get("payload")
    return found if isinstance(found, dict) else {}


def _posted(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = payload.get("alerts")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _is_firing(posted: Mapping[str, Any]) -> bool:
    return str(posted.get("status") or "firing").lower() in ("firing", "alerting")


def _texts(value: Any) -> Mapping[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}


def seconds_of(value: Any) -> float | None:
    """Unix seconds of RFC 3339, of UTC where it names no zone; None for what is no time, or Go's time that is not
    set."""
    try:
        found = datetime.fromisoformat(value)
        seconds = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if seconds >= _OLDEST else None
