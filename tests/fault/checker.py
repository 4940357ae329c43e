"""The promises, checked over the three logs. No clock and no process: values in, violations out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.fault.history import AlertState, Disruption, History, Posted, Received

UNNOTED_SECONDS = 5.0
"""So long before a crash a delivery may have succeeded without being noted: the time of a commit on a busy machine."""

WAITING_SECONDS = 60.0
"""So long after an outage something may still wait: for the next attempt, behind what waits, for a lease that ends."""


@dataclass
class Verdict:
    """What a run has shown."""

    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    two_ids: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def violations(self) -> list[str]:
        """All of them, each with what it violates."""
        return [
            f"{kind}: {text}"
            for kind, texts in (
                ("lost", self.lost),
                ("never sent", self.unexpected),
                ("out of order", self.out_of_order),
                ("sent more than once", self.duplicates),
                ("two ids", self.two_ids),
            )
            for text in texts
        ]


def check(history: History, sinks: Sequence[str], *, group_prefix: str = "{") -> Verdict:
    """``sinks``: those that must have been told of everything. ``group_prefix``: what the keys of the groups begin
    with; anything else is what the engine says by itself."""
    verdict = Verdict()
    posted = [each for each in list(history.posted) if each.group.startswith(group_prefix)]
    acknowledged = [each for each in posted if each.is_acknowledged]
    sent = {(each.group, state) for each in posted for state in each.alerts}
    verdict.counts = {
        "requests": len(posted),
        "acknowledged": len(acknowledged),
        "notifications": len({(each.group, each.alerts) for each in acknowledged}),
    }
    received = [each for each in list(history.received) if each.group.startswith(group_prefix)]
    verdict.unexpected = [
        f"{each.sink} got {state} of {each.group}"
        for each in received
        for state in each.alerts
        if (each.group, state) not in sent
    ]
    final = _newest(state for each in acknowledged for state in each.alerts)
    for sink in sinks:
        taken = [each for each in received if each.sink == sink and each.is_taken]
        first = _first_copies(taken)
        broken = [*history.disruptions, *(each for each in history.outages if each.what == sink)]
        _check_loss(verdict, sink, acknowledged, first, broken)
        _check_order(verdict, sink, first, final)
        _check_ids(verdict, sink, first)
        verdict.duplicates += _unexplained(sink, taken, history.disruptions)
        verdict.counts |= {
            f"{sink}: requests": sum(each.sink == sink for each in received),
            f"{sink}: taken": len(taken),
            f"{sink}: repeated": len(taken) - len(first),
        }
    return verdict


def _newest(states: Iterable[AlertState]) -> dict[str, AlertState]:
    newest: dict[str, AlertState] = {}
    for state in states:
        known = newest.get(state.fingerprint)
        if known is None or known.version < state.version:
            newest[state.fingerprint] = state
    return newest


def _first_copies(taken: Sequence[Received]) -> list[Received]:
    """A receiver drops what has an id that it knows: that is what the id is for."""
    known: set[str] = set()
    first = []
    for each in taken:
        if each.key not in known:
            known.add(each.key)
            first.append(each)
    return first


def _check_loss(
    verdict: Verdict,
    sink: str,
    acknowledged: Sequence[Posted],
    first: Sequence[Received],
    broken: Sequence[Disruption],
) -> None:
    told = {state for each in first for state in each.alerts}
    newest = _newest(told)
    final = _newest(state for each in acknowledged for state in each.alerts)
    left_out = set()
    for post in acknowledged:
        for state in post.alerts:
            known = newest.get(state.fingerprint)
            if state in told or state in left_out or (known is not None and known.version >= state.version):
                continue
            # An episode that began and ended while nothing could be delivered is left out, as Alertmanager itself
            # would have left it out without an engine.
            was_told = AlertState(state.fingerprint, state.starts_at, "firing") in told
            is_over = final[state.fingerprint].status == "resolved"
            had_to_wait = any(each.at - 1.0 <= post.at <= each.until + WAITING_SECONDS for each in broken)
            if is_over and not was_told and had_to_wait:
                left_out.add(state)
                continue
            verdict.lost.append(
                f"{sink} was never told that {state.fingerprint} of {post.group} is {state.status} since "
                f"{state.starts_at}, acknowledged at {post.at:.3f} by {post.target}"
            )
    verdict.counts[f"{sink}: over before it could be told"] = len(left_out)


def _check_order(verdict: Verdict, sink: str, first: Sequence[Received], final: dict[str, AlertState]) -> None:
    last: dict[str, AlertState] = {}
    for each in first:
        for state in each.alerts:
            known = last.get(state.fingerprint)
            if known is not None and state.version < known.version:
                if state.status == known.status == "firing":
                    continue  # since when, was said late, beside something new: it fires either way
                verdict.out_of_order.append(
                    f"{sink} was told {state.status} of {state.fingerprint} since {state.starts_at} after "
                    f"{known.status} since {known.starts_at}"
                )
            last[state.fingerprint] = state
    for fingerprint, state in final.items():
        known = last.get(fingerprint)
        if known is not None and known.version < state.version:
            if known.status == "resolved" and state.status == "resolved":
                continue  # an episode that was left out
            verdict.lost.append(f"{sink} ends with {fingerprint} {known.status}, and not {state.status}")


def _check_ids(verdict: Verdict, sink: str, first: Sequence[Received]) -> None:
    keys: dict[tuple[str, frozenset[AlertState]], set[str]] = defaultdict(set)
    for each in first:
        keys[each.group, each.alerts].add(each.key)
    verdict.two_ids += [
        f"{sink} got the same notification of {group} as {', '.join(sorted(known))}"
        for (group, _), known in keys.items()
        if len(known) > 1
    ]


def _unexplained(sink: str, taken: Sequence[Received], disruptions: Sequence[Disruption]) -> list[str]:
    copies: dict[str, list[Received]] = defaultdict(list)
    for each in taken:
        copies[each.key].append(each)
    found = []
    for key, all_of_it in copies.items():
        # Each copy but the last was sent just before something broke, or it should have been noted as delivered.
        for copy, following in pairwise(all_of_it):
            if not any(
                broken.at - UNNOTED_SECONDS <= following.at
                and copy.at <= broken.until + UNNOTED_SECONDS
                and copy.at >= broken.at - UNNOTED_SECONDS
                for broken in disruptions
            ):
                found.append(f"{sink} got {key} of {copy.group} again {following.at - copy.at:.1f} s later")
    return found
