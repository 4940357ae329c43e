"""The clock's posts: it looks at the newest status for crossings, and at the schedules for digests and reports.

What it says and what it remembers of having said it are one transaction, so that a crash between the two cannot happen,
and an engine whose look is older than the newest one changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Connection

from slo_engine.definitions.slo import SloSet
from slo_engine.errors import SloEngineError
from slo_engine.notifications import Message, Post
from slo_engine.notifications.message import Kind
from slo_engine.notifications.routes import Match
from slo_engine.posts.addressees import addressee
from slo_engine.posts.crossings import Crossing, Rules, State, Subject, advanced, first_sight
from slo_engine.posts.digest import BudgetKey, Told, digest, key_of, status_post
from slo_engine.posts.in_force import lines_in_force
from slo_engine.posts.monthly import MakeReport
from slo_engine.posts.plan import Plan, Planned
from slo_engine.posts.policies import steps_for
from slo_engine.prometheus import PrometheusError
from slo_engine.scrub.outgoing import outgoing, outgoing_text
from slo_engine.status.model import SloStatus
from slo_engine.store import Database, StoreError, budgets, messages

logger = logging.getLogger(__name__)

LATE = timedelta(hours=12)
"""A post that was missed is made up for within so long; later, the next one tells more."""

PATIENCE = timedelta(minutes=15)
"""For so long a digest waits for Prometheus; then it says that nothing is known."""

AROUND = timedelta(minutes=15)
"""How exactly what was left at a time is looked up in the history, which has a row each five minutes."""

LOOK = ":look"
"""The name of the run that the newest look at crossings is noted under; no schedule can be called so."""

FUTURE = timedelta(minutes=5)
"""What was noted further ahead than this was noted before the clock was set back."""


class Board(Protocol):
    """What knows how the budgets stand."""

    @property
    def statuses(self) -> Sequence[SloStatus]: ...  # noqa: D102 - as those of StatusBoard
    @property
    def evaluated_at(self) -> datetime | None: ...  # noqa: D102
    def refresh(self, *, max_age: timedelta = ...) -> Sequence[SloStatus]: ...  # noqa: D102


class Poster:
    """Says by itself what there is to say. Not thread-safe: one job of the clock."""

    def __init__(
        self,
        database: Database,
        board: Board,
        slos: Callable[[], SloSet],
        plan: Plan,
        report: MakeReport,
        on_posted: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._board = board
        self._slos = slos
        self._plan = plan
        self._report = report
        self._on_posted = on_posted
        self._now = now
        self._looked_at: datetime | None = None

    def tick(self) -> None:
        """Post what there is. Never raises for an outage: what could not be posted is posted later."""
        try:
            posted = self._look_safely()
            for planned in self._plan.schedules:
                posted = self._post_if_due(planned) or posted
        except StoreError as error:
            logger.error("posts wait for the store: %s", error)  # noqa: TRY400 - an outage, no bug
            return
        if posted:
            self._on_posted()

    def _look_safely(self) -> bool:
        try:
            return self._look()
        except StoreError:
            raise
        except Exception:
            # A bug in what is told of budgets must not keep digests and reports from being made.
            logger.exception("the budgets could not be looked at")
            return False

    def _look(self) -> bool:
        at, statuses = self._board.evaluated_at, self._board.statuses
        if not self._plan.watches or at is None or at == self._looked_at:
            return False
        last = self._last_run(LOOK)
        if last is not None and last >= at:
            self._looked_at = at
            return False  # a newer status was looked at already
        # What there is to say is made before, so that the store's other writers do not wait for it; it is said if
        # nobody has looked meanwhile.
        known = self._database.read(budgets.states)
        look = _Look(self._plan, self._slos(), statuses, at, last)
        look.take(known)
        is_told = self._database.write(partial(look.keep, last=None if last is None else last.timestamp()))
        self._looked_at = at
        return is_told

    def _last_run(self, name: str) -> datetime | None:
        """When it was last due and made; None: never, or at a time that has not come yet."""
        found = self._database.read(lambda connection: budgets.last_run(connection, name))
        last = None if found is None else datetime.fromtimestamp(found, UTC)
        if last is not None and last > self._now() + FUTURE:
            logger.warning("%s was last made at %s, which is yet to come: the clock was set back", name, last)
            self._database.write(lambda connection: budgets.forget_run(connection, name))
            return None
        return last

    def _post_if_due(self, planned: Planned) -> bool:
        now = self._now()
        since = self._last_run(planned.name)
        if since is None:  # nothing is owed from before the first start
            self._database.write(lambda connection: budgets.note_run(connection, planned.name, now.timestamp()))
            return False
        due = planned.schedule.due(max(since, now - LATE), now)
        if due is None:
            return False
        try:
            title, post = self._made(planned, due, since, now)
        except PrometheusError as error:
            logger.warning("the post %s waits: %s", planned.name, error)
            return False
        except SloEngineError as error:
            logger.error("the post %s is late: %s", planned.name, error)  # noqa: TRY400 - an outage, no bug
            return False
        except Exception:
            # A bug in one post must not keep the others from being made.
            logger.exception("the post %s could not be made", planned.name)
            return False
        new = _new_message(planned.kind, title, post, now, f"{planned.name}:{due.timestamp():.0f}")
        sinks = planned.sinks

        def write(connection: Connection) -> bool:
            if not budgets.note_run(connection, planned.name, due.timestamp()):
                return False  # another engine was first
            messages.add_ready(connection, new, sinks)
            return True

        return self._database.write(write)

    def _made(self, planned: Planned, due: datetime, since: datetime, now: datetime) -> tuple[str, Post]:
        if planned.kind == "report":
            return self._report(planned, due, now)
        failure = None
        try:
            self._board.refresh(max_age=timedelta(seconds=30))
        except PrometheusError as error:
            if now - due < PATIENCE:
                raise
            failure = str(error)
        statuses = [each for each in self._board.statuses if self._is_about(planned.match, each)]
        told = self._database.read(
            lambda connection: budgets.crossings_between(connection, since.timestamp(), now.timestamp())
        )
        before = self._database.read(
            lambda connection: budgets.remaining_at(connection, since.timestamp(), AROUND.total_seconds())
        )
        known = self._database.read(budgets.states)
        wanted = {key_of(each.service, each.slo, each.group) for each in statuses}
        return digest(
            statuses,
            self._board.evaluated_at or now,
            since=since,
            told=[
                Told(datetime.fromtimestamp(each.at, UTC), each.service, each.slo, each.group, each.crossing["text"])
                for each in told
                if key_of(each.service, each.slo, each.group) in wanted
            ],
            paging=self._slos().paging_severities,
            before={_budget_key(key): left for key, left in before.items()},
            policies=lines_in_force(self._plan.policies, self._slos(), known, statuses),
            links=self._plan.links,
            failure=failure,
        )

    def _is_about(self, match: Match, status: SloStatus) -> bool:
        slo = self._slos().find(status.service, status.slo)
        return slo is not None and match.about(addressee(slo, status.group))


class _Look:
    """One look at all budgets: their states before and after, and what is to be told."""

    def __init__(
        self, plan: Plan, slos: SloSet, statuses: Sequence[SloStatus], at: datetime, last: datetime | None
    ) -> None:
        """``last``: the time of the look before."""
        self._plan = plan
        self._slos = slos
        self._statuses = {budgets.group_key(each.service, each.slo, each.group): each for each in statuses}
        self._at = at
        told = plan.crossings
        self._rules = told.rules if told else Rules()
        self._is_quiet = told is not None and told.quiet is not None and told.quiet.hold(at)
        self._is_after_gap = last is None or at - last > max(self._rules.hold, plan.longest_between)
        self._changed: dict[budgets.GroupKey, State | None] = {}
        self._crossings: list[Crossing] = []
        self._messages: list[tuple[messages.NewMessage, tuple[str, ...]]] = []

    def take(self, known: Mapping[budgets.GroupKey, Mapping[str, Any]]) -> None:
        """Compare with what was told, and make the messages."""
        for key in sorted(known.keys() | self._statuses.keys()):
            self._crossings += self._step(key, known.get(key))
        by_sinks: dict[tuple[str, ...], list[Crossing]] = {}
        for each in self._crossings:
            by_sinks.setdefault(self._sinks(each), []).append(each)
        states = {key: state for key, state in known.items() if key not in self._changed}
        states |= {key: state.as_json() for key, state in self._changed.items() if state is not None}
        self._messages = [(self._message(sinks, told, states), sinks) for sinks, told in by_sinks.items() if sinks]

    def keep(self, connection: Connection, last: float | None) -> bool:
        """In one transaction: remember and tell, unless another look was noted since the one at ``last``. Returns
        whether something was told."""
        if budgets.last_run(connection, LOOK) != last:
            return False  # it has told of what it saw; the next look goes on from there
        budgets.note_run(connection, LOOK, self._at.timestamp())
        budgets.set_states(
            connection,
            self._at.timestamp(),
            {key: None if state is None else state.as_json() for key, state in self._changed.items()},
        )
        kept = [
            budgets.KeptCrossing(each.at.timestamp(), each.service, each.slo, each.group, each.kind, each.as_json())
            for each in self._crossings
        ]
        budgets.add_crossings(connection, kept)
        for new, sinks in self._messages:
            messages.add_ready(connection, new, sinks)
        return bool(self._messages)

    def _step(self, key: budgets.GroupKey, stored: Mapping[str, Any] | None) -> tuple[Crossing, ...]:
        service, name, group_text = key
        group = budgets.group_of(group_text)
        slo, status = self._slos.find(service, name), self._statuses.get(key)
        if slo is None or (group and set(group) != set(slo.by)):
            self._changed[key] = None  # it is declared no more, which is no loss of data
            return ()
        if not group and slo.by:  # an SLO without any data yet has one status, of no group
            return ()
        steps = steps_for(self._plan.policies, slo, group)
        if stored is None:
            if status is not None:
                self._changed[key] = first_sight(status, self._at, self._rules, steps)
            return ()
        before = State.of_json(stored)
        if status is None and before.absent_since is not None:
            gone_for = self._at.timestamp() - before.absent_since
            if gone_for > slo.window.seconds:
                self._changed[key] = None  # nothing of its budget is left, neither used nor unused
                return ()
        after, told = advanced(
            before,
            Subject(service, name, group),
            status,
            self._at,
            self._rules,
            steps,
            is_quiet=self._is_quiet,
            is_after_gap=self._is_after_gap,
        )
        if after != before:
            self._changed[key] = after
        return told

    def _sinks(self, crossing: Crossing) -> tuple[str, ...]:
        told = self._plan.crossings
        slo = self._slos.find(crossing.service, crossing.slo)
        is_wanted = told is not None and slo is not None and told.match.holds(addressee(slo, crossing.group), self._at)
        wanted = told.sinks if told is not None and is_wanted else ()
        return tuple(dict.fromkeys((*wanted, *crossing.tell)))

    def _message(
        self,
        sinks: tuple[str, ...],
        told: Sequence[Crossing],
        known: Mapping[budgets.GroupKey, Mapping[str, Any]],
    ) -> messages.NewMessage:
        keys = dict.fromkeys(budgets.group_key(each.service, each.slo, each.group) for each in told)
        statuses = [self._statuses[key] for key in keys if key in self._statuses]
        policies = lines_in_force(self._plan.policies, self._slos, known, statuses)
        title, post = status_post(told, statuses, self._at, policies, self._plan.links, self._slos.paging_severities)
        identity = json.dumps([sinks, [[each.service, each.slo, dict(each.group), each.text] for each in told]])
        return _new_message("status", title, post, self._at, f"{self._at.timestamp():.3f}:{identity}")


def _new_message(kind: Kind, title: str, post: Post, at: datetime, identity: str) -> messages.NewMessage:
    # The key tells what is said and when it was due, so that it is the same for whoever says it.
    digest_of = hashlib.sha256(f"{kind}:{identity}".encode()).hexdigest()
    message = Message(f"post_{digest_of[:40]}", digest_of, kind, None, outgoing_text(title), post=post)
    # Files are whole: what is not ours in them was scrubbed when they were made, and a figure of a picture is no number
    # of a card.
    whole = replace(message, post=replace(post, documents=())).content()
    content = outgoing(whole)
    content["post"]["documents"] = message.content()["post"]["documents"]
    return messages.NewMessage(
        at.timestamp(), message.thread, kind, None, message.title, content, inbox_id=None, key=message.key
    )


def _budget_key(key: budgets.GroupKey) -> BudgetKey:
    service, slo, group = key
    return key_of(service, slo, budgets.group_of(group))
