"""The running engine: the rooms wired together, the clock, start and stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import uvicorn
from fastapi import FastAPI

from slo_engine import telemetry
from slo_engine.alerts import Enrichment, Intake
from slo_engine.clock import Clock
from slo_engine.definitions.live import ActiveSlos, LiveSlos
from slo_engine.definitions.slo import SloSet
from slo_engine.delivery import Sink, sink_of
from slo_engine.delivery.courier import Courier, Fallback
from slo_engine.delivery.orphans import OrphanWatch
from slo_engine.evidence import Backends, Gatherer, sources
from slo_engine.evidence.source import Remembered
from slo_engine.logs import configure_logging
from slo_engine.notifications import Link
from slo_engine.posts.in_force import steps_in_force
from slo_engine.posts.monthly import monthly
from slo_engine.posts.policies import Policy
from slo_engine.posts.poster import Poster
from slo_engine.precedence import Precedence
from slo_engine.prometheus import Exemplar, Prometheus, Result
from slo_engine.replica import Replica
from slo_engine.rollout.rollout import Destination, Rollout, RolloutStatus, RuleFolder, RulerNamespaces
from slo_engine.rollout.ruler import Ruler
from slo_engine.settings import (
    PREFIX,
    AccessSettings,
    ListenSettings,
    Settings,
    SettingsError,
    WebhookSettings,
    routes_of,
    secrets_of,
)
from slo_engine.status.board import StatusBoard
from slo_engine.status.model import SloStatus
from slo_engine.store import Database, StoreError, budgets, causes, inbox, messages, outbox, retention, watching
from slo_engine.traces import LangFuse
from slo_engine.watch import Heartbeat, Reconciliation, Teller, Watchdog
from slo_engine.watch.alertmanager import Alertmanager
from slo_engine.watch.reconciliation import TICK_SECONDS as RECONCILIATION_SECONDS
from slo_engine.watch.watchdog import TICK_SECONDS as WATCHDOG_SECONDS
from slo_engine.web import Access, Credentials, Doors, Reloaded, Services, create_app, guarded_protocol

logger = logging.getLogger(__name__)

POSTS_SECONDS = 15
RELOAD_SECONDS = 5
ROLLOUT_SECONDS = 30
GAUGES_SECONDS = 15
FORGET_SECONDS = 3600

MESSAGES_KEPT = timedelta(days=40)
"""As long as the history of the budgets they are about."""

CAUSES_KEPT = timedelta(days=400)
"""What happens at the end of each year is still known then."""

STALE_STATUS_SECONDS = 300.0
"""An evaluation or two may fail without an alarm outside."""

STATUS_MAX_AGE = timedelta(seconds=2)
"""A storm of notifications asks Prometheus once; older, and the status could be from before the outage."""

GARBAGE = 20_000
"""Objects that are made before those that are left over are looked for; Python's own limit is 700."""

DRAIN_SECONDS = 10.0
"""What is in hand at a stop may be finished for so long; what is not is in the store, and goes on at the next start."""


class Engine:
    """All parts of a running engine."""

    def __init__(self, settings: Settings) -> None:
        """Open the store and read the SLO files. Raises SloEngineError."""
        self._settings = settings
        self._closing = ExitStack()
        self._database = Database(settings.store.address)
        self._replica = Replica(self._database)
        self._prometheus = Prometheus(settings.prometheus.connection())
        self._slos = LiveSlos(settings.slos, _note_slos)
        self._board = StatusBoard(
            lambda: self._slos.active.slos, self._prometheus, self._database, keeps=lambda: self._replica.leads
        )
        self._clock = Clock()
        self._sinks: dict[str, Sink] = {each.name: sink_of(each) for each in settings.sinks}
        for each in settings.sinks:  # from 0, so that the first one is an increase
            for outcome in ("delivered", "retry", "misconfigured", "refused"):
                telemetry.DELIVERIES.labels(each.name, outcome)
            for metric in (telemetry.DELIVERY_SECONDS, telemetry.DEAD_LETTERS):
                metric.labels(each.name)
            for gauge in (telemetry.SINK_HELD, telemetry.SINK_FAILURES):
                gauge.labels(each.name)
            telemetry.TEMPLATE_FAILURES.labels(each.name)
            if each.fallback:
                telemetry.FALLBACKS.labels(each.name)
        self._orphans = OrphanWatch(self._database, self._sinks)
        self._orphans.look()
        self._langfuse = _langfuse(settings)
        self._courier = Courier(
            self._database,
            self._sinks,
            {
                each.name: Fallback(each.fallback, each.fallback_after.seconds)
                for each in settings.sinks
                if each.fallback
            },
            self._replica.token,
        )
        statuses = _BoardStatuses(self._board)
        metrics, memory = _PrometheusMetrics(self._prometheus), _StoreMemory(self._database)
        policies = tuple(each.policy() for each in settings.budget_policies)
        agreements = _StoreAgreements(self._database, lambda: self._slos.active.slos, policies) if policies else None
        backends = Backends(statuses, self._langfuse, metrics, memory, agreements)
        precedence = Precedence()
        self._enrichment = Enrichment(
            self._database,
            lambda: self._slos.active.slos,
            Gatherer(sources(backends), statuses, budget=settings.evidence.budget.seconds),
            routes_of(settings),
            self._courier.tell,
            updated=tuple(each.name for each in settings.sinks if each.updates),
            reminders={
                each.name: each.seconds_between_reminders for each in settings.sinks if each.reminders is not True
            },
            holder=self._replica.token,
            precedence=precedence,
        )
        self._replica.watch(lambda: self._enrichment.in_hand, lambda: self._courier.in_hand)
        self._watchdog = Watchdog(
            self._database,
            self._teller(),
            alert=settings.watchdog.alert,
            silent_after=settings.watchdog.silent_after.seconds,
            expect=settings.watchdog.expect,
        )
        self._intake = Intake(self._database, self._enrichment.tell, self._watchdog, precedence)
        links = (Link("SLOs", settings.public_url),) if settings.public_url else ()
        plan = settings.posts.plan(policies, links, timedelta(seconds=settings.status.interval.seconds))
        active = lambda: self._slos.active.slos  # noqa: E731
        report = monthly(active, self._prometheus, self._database.read, links)
        self._poster = Poster(self._database, self._board, active, plan, report, self._tell_courier)
        self._rollout = _rollout(settings, self._prometheus, self._closing)
        self._reconciliation = self._compares_with_alertmanager()
        self._heartbeat = self._sends_heartbeats()
        self._work = (self._intake, self._enrichment, self._courier)
        self._workers: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.app = create_app(
            Services(
                database=self._database,
                slos=self._slos,
                board=self._board,
                doors=doors_of(settings.webhook),
                sinks=list(self._sinks),
                orphans=lambda: self._orphans.found,
                reload=partial(self._reload, force=True),
                rollout=self._rollout,
                policies=policies,
                on_posted=self._intake.tell,
                precedence=precedence,
                clock_is_running=lambda: self._clock.is_running,
                workers_are_running=self._workers_are_running,
                prometheus=self._prometheus,
                addresses=_addresses(settings),
                access=access_of(settings.access),
                watching=self._watching,
            ),
            self._running,
        )

    @asynccontextmanager
    async def _running(self, _: FastAPI) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            stack.callback(self._database.close)
            stack.callback(self._prometheus.close)
            stack.callback(self._closing.close)
            for sink in self._sinks.values():
                stack.push_async_callback(sink.close)
            if self._langfuse is not None:
                stack.push_async_callback(self._langfuse.close)
            for worker in (*self._work, self._replica, self._clock):
                task = asyncio.create_task(worker.run(), name=type(worker).__name__)
                task.add_done_callback(_note_end)
                self._workers.append(task)
            stack.push_async_callback(self._drain)
            self._start_clock()
            self._reload_on_sighup()
            stack.callback(self._clock.shut_down)
            if not self._sinks:
                logger.warning("no sink is configured: notifications are shown on the page and sent to nobody")
            logger.info("ready: %d SLOs, sinks: %s", len(self._slos.active.slos.slos), ", ".join(self._sinks) or "none")
            yield
            logger.info("stopping")

    def _teller(self) -> Teller:
        fallbacks = tuple(dict.fromkeys(each.fallback for each in self._settings.sinks if each.fallback))
        routes = routes_of(self._settings)
        return Teller(self._database, routes, lambda: self._slos.active.slos, fallbacks, self._tell_courier)

    def _compares_with_alertmanager(self) -> Reconciliation | None:
        wanted = self._settings.alertmanager
        if wanted is None:
            return None
        found = Reconciliation(
            [Alertmanager(each) for each in wanted.connections()],
            self._database,
            self._teller(),
            self._tell_intake,
            receivers=wanted.receivers,
            watchdog=self._settings.watchdog.alert,
            source=wanted.source,
            port=self._settings.listen.port,
            public_url=self._settings.public_url,
        )
        self._closing.callback(found.close)
        return found

    def _sends_heartbeats(self) -> Heartbeat | None:
        wanted = self._settings.heartbeat
        if wanted is None:
            return None
        checks = (
            lambda: None if self._workers_are_running() else "a worker has ended",
            partial(_stale_status, self._board, self._settings.status.interval.seconds),
        )
        found = Heartbeat(wanted.connection(), self._database, checks)
        self._closing.callback(found.close)
        return found

    def _if_leading(self, job: Callable[[], None]) -> Callable[[], None]:
        """A job that one engine does for all that share the store."""
        return lambda: job() if self._replica.leads else None

    def _workers_are_running(self) -> bool:
        return bool(self._workers) and not any(task.done() for task in self._workers)

    def _watching(self) -> dict[str, str]:
        found = {"watchdog": self._watchdog.state}
        led = {"alertmanager": self._reconciliation, "heartbeat": self._heartbeat}
        for name, part in led.items():
            if part is not None:
                found[name] = part.state if self._replica.leads else "another engine does that"
        return found

    def _tell_intake(self) -> None:
        """From a thread of the clock."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._intake.tell)

    def _tell_courier(self) -> None:
        """From a thread of the clock."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._courier.tell)

    def _start_clock(self) -> None:
        jobs: tuple[tuple[str, Callable[[], object], float], ...] = (
            ("status", self._board.tick, self._settings.status.interval.seconds),
            ("posts", self._post, POSTS_SECONDS),
            ("slo_files", self._reload, RELOAD_SECONDS),
            ("rules", self._roll_out, ROLLOUT_SECONDS),
            ("gauges", self._set_gauges, GAUGES_SECONDS),
            ("forget", self._forget, FORGET_SECONDS),
            ("watchdog", self._watchdog.tick, WATCHDOG_SECONDS),
        )
        if self._reconciliation is not None:
            jobs += (("alertmanager", self._if_leading(self._reconciliation.tick), RECONCILIATION_SECONDS),)
        if self._heartbeat is not None and self._settings.heartbeat is not None:
            beat = self._if_leading(self._heartbeat.tick)
            jobs += (("heartbeat", beat, self._settings.heartbeat.interval.seconds),)
        for name, job, seconds in jobs:
            self._clock.add(name, job, seconds)
        self._clock.start()

    def _reload(self, *, force: bool = False) -> Reloaded:
        """Read the SLO files, if they have changed or in any case, and roll out what they say."""
        is_read = self._slos.reload(force=force)
        if is_read:
            self._roll_out()
        return Reloaded(self._slos.active, self._rollout.status if self._rollout else None)

    def _roll_out(self) -> None:
        if self._rollout is None:
            return
        active = self._slos.active
        if active.is_whole:
            self._rollout.roll_out(active.slos)
        else:
            # The rules of an earlier run may hold more SLOs than could be read now: they stay.
            self._rollout.wait("SLO files rejected at the start: the rules stay as they are until they are corrected")

    def _reload_on_sighup(self) -> None:
        def reload() -> None:
            logger.info("SIGHUP: reading the SLO files again")
            threading.Thread(target=partial(self._reload, force=True), name="reload", daemon=True).start()

        # Only the main thread of a process has signals, and Windows no SIGHUP.
        with suppress(ValueError, RuntimeError, NotImplementedError, AttributeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)

    async def _drain(self) -> None:
        for worker in (*self._work, self._clock):
            worker.stop()
        working = [task for task in self._workers if task.get_name() != type(self._replica).__name__]
        _, late = await asyncio.wait(working, timeout=DRAIN_SECONDS)
        self._replica.stop()
        for task in late:
            task.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await asyncio.to_thread(self._replica.give_up)

    def _post(self) -> None:
        if self._replica.leads:
            self._poster.tick()

    def _forget(self) -> None:
        if not self._replica.leads:
            return
        now = datetime.now(UTC)
        before, long_before = ((now - kept).timestamp() for kept in (MESSAGES_KEPT, CAUSES_KEPT))
        try:
            self._database.write(lambda connection: retention.forget_messages_before(connection, before))
            self._database.write(lambda connection: retention.forget_causes_before(connection, long_before))
            self._database.write(lambda connection: budgets.forget_crossings_before(connection, long_before))
        except StoreError as error:
            logger.error("old notifications and causes are not removed: %s", error)  # noqa: TRY400 - an outage, no bug

    def _set_gauges(self) -> None:
        try:
            counts = self._database.read(outbox.counts)
            pending = self._database.read(lambda connection: inbox.count(connection, "pending"))
            telemetry.WAITING.labels("inbox").set(pending)
            telemetry.WAITING.labels("evidence").set(self._database.read(messages.count_gathering))
            self._orphans.look()
            self._set_ages()
        except StoreError as error:
            logger.error("waiting notifications cannot be counted: %s", error)  # noqa: TRY400 - an outage, no bug
            return
        for sink in self._sinks:
            for state in ("pending", "delivered", "dead"):
                telemetry.OUTBOX.labels(sink, state).set(counts.get((sink, state), 0))

    def _set_ages(self) -> None:
        now = datetime.now(UTC).timestamp()
        for step, oldest in (("inbox", watching.oldest_unread), ("evidence", watching.oldest_gathering)):
            telemetry.OLDEST_WAITING.labels(step, "").set(_age(self._database.read(oldest), now))
        pending = self._database.read(watching.oldest_pending)
        for sink in self._sinks:
            telemetry.OLDEST_WAITING.labels("delivery", sink).set(_age(pending.get(sink), now))


def _age(since: float | None, now: float) -> float:
    """For how long something has waited; 0 when nothing does."""
    return 0.0 if since is None else max(0.0, now - since)


def access_of(access: AccessSettings) -> Access:
    """Who may read, and act on the pages."""
    token = None if access.token is None else access.token.get_secret_value()
    if access.proxy is None:
        return Access(token)
    return Access(token, access.proxy.header, access.proxy.networks)


def _addresses(settings: Settings) -> dict[str, str]:
    """Where a browser finds what the engine asks: at the same place, unless the settings say another one."""
    parts = {
        "prometheus": settings.prometheus,
        "alertmanager": settings.alertmanager,
        "grafana": settings.grafana,
        "langfuse": settings.langfuse,
    }
    found = {name: part.public_url or getattr(part, "url", None) for name, part in parts.items() if part is not None}
    return {name: str(url).rstrip("/") for name, url in found.items() if url is not None}


def doors_of(webhook: WebhookSettings) -> Doors:
    """Who may post. Once anything must be shown, a door without credentials opens to nobody: forgotten ones must not
    be a way around the others."""
    is_guarded = webhook.has_credentials or any(source.has_credentials for source in webhook.sources)
    unnamed, *named = (
        Credentials(tokens=door.tokens(), users=door.users(), closed=is_guarded and not door.has_credentials)
        for door in (webhook, *webhook.sources)
    )
    return Doors(unnamed, {source.name: door for source, door in zip(webhook.sources, named, strict=True)})


def serve(settings: Settings) -> None:
    """Run the engine until it is told to stop (SIGTERM, Ctrl-C). Raises SloEngineError when it cannot start."""
    configure_logging(secrets_of(settings), level=settings.log.level, form=settings.log.format)
    if hasattr(signal, "SIGHUP"):
        # Until the engine is ready to reload, it must not end for it either.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _refuse_a_taken_port(settings.listen)
    engine = Engine(settings)
    config = uvicorn.Config(
        engine.app,
        host=settings.listen.host,
        port=settings.listen.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who asks is whoever is connected: see web.access
        http=guarded_protocol(),
        timeout_keep_alive=3600,  # the protocol's own is shorter, and looks for what has come before it hangs up
        ws="none",  # nothing here speaks it
        # A stop waits for the webhooks in flight, but not for ever.
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    _collect_less_garbage()
    with suppress(KeyboardInterrupt):
        server.run()
    # Every notification is in the store. Threads that still wait for a server would delay the end for as long as it
    # likes.
    logging.shutdown()
    os._exit(0 if server.started else 1)


def _collect_less_garbage() -> None:
    # What was imported stays: to look through it again and again takes a quarter of the processor in a storm, whose
    # notifications are thousands of objects each, with hardly a cycle among them.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 10, 10)


def _refuse_a_taken_port(listen: ListenSettings) -> None:
    # uvicorn finds out after everything has started, and says it in a log line.
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listen.host, listen.port))
        except OSError as error:
            where = f"{listen.host}:{listen.port}"
            raise SettingsError(
                f"cannot listen on {where} ({error.strerror}): change listen.port or listen.host"
            ) from None


class _BoardStatuses:
    """The status board, asked from asyncio. Threads of its own: a Prometheus that hangs must not use up those on which
    the store is read."""

    def __init__(self, board: StatusBoard) -> None:
        self._board = board
        self._threads = ThreadPoolExecutor(4, "evidence-status")

    async def statuses(self) -> Sequence[SloStatus]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: self._board.refresh(max_age=STATUS_MAX_AGE))


class _PrometheusMetrics:
    """Prometheus, asked from asyncio, in threads of its own for the same reason."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self._threads = ThreadPoolExecutor(4, "evidence-metrics")

    async def query(self, expr: str, at: datetime) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(self._prometheus.query, expr, at))

    async def exemplars(self, expr: str, since: datetime, until: datetime) -> Sequence[Exemplar]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(self._prometheus.exemplars, expr, since, until))


class _StoreMemory:
    """The causes in the store. Noting and asking is one write, so that two notifications at once count once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remember(
        self, subject: str, found: Sequence[str], incident: str, title: str, at: datetime
    ) -> dict[str, Remembered | None]:
        note = partial(causes.note, about=subject, found=found, thread=incident, title=title, at=at.timestamp())
        known = await asyncio.wrap_future(self._database.submit(note))
        return {cause: None if earlier is None else _remembered(earlier) for cause, earlier in known.items()}


class _StoreAgreements:
    """The steps of budget policies that are in force, as the store knows them."""

    def __init__(self, database: Database, slos: Callable[[], SloSet], policies: Sequence[Policy]) -> None:
        self._database = database
        self._slos = slos
        self._policies = policies

    async def in_force(self, service: str, slo: str, group: Mapping[str, str]) -> Sequence[str]:
        known = await asyncio.to_thread(self._database.read, budgets.states)
        found = steps_in_force(self._policies, self._slos(), known, service, slo, group)
        return [step.said for step, _ in found]


def _remembered(earlier: causes.EarlierIncidents) -> Remembered:
    back_since, first_seen, last_seen = (
        datetime.fromtimestamp(each, UTC) for each in (earlier.back_since, earlier.first_seen, earlier.last_seen)
    )
    ended_at = None if earlier.ended_at is None else datetime.fromtimestamp(earlier.ended_at, UTC)
    return Remembered(back_since, first_seen, last_seen, earlier.count, earlier.last_title, ended_at, earlier.caused_by)


def _langfuse(settings: Settings) -> LangFuse | None:
    found = settings.langfuse
    connection = found.connection()
    if connection is None:
        if len(found.missing) < len(("url", "public_key", "secret_key")):
            names = ", ".join(f"langfuse.{name} ({PREFIX}LANGFUSE__{name.upper()})" for name in found.missing)
            raise SettingsError(f"{names} is missing: LangFuse needs url, public_key and secret_key, or nothing at all")
        return None
    # A request that cannot end within the budget would say nothing about why.
    timeout = min(connection.timeout, settings.evidence.budget.seconds)
    return LangFuse(replace(connection, timeout=timeout), public_url=found.public_url)


def _stale_status(board: StatusBoard, interval: float) -> str | None:
    """Why the status of the SLOs is too old for a sign of life."""
    at = board.evaluated_at
    age = None if at is None else (datetime.now(UTC) - at).total_seconds()
    if age is not None and age < max(STALE_STATUS_SECONDS, 3 * interval):
        return None
    return f"the SLOs are not evaluated: {board.failure or 'the clock has not come to it'}"


def _rollout(settings: Settings, prometheus: Prometheus, closing: ExitStack) -> Rollout | None:
    """How the rules are rolled out, if the settings ask for it. What it opens is closed by ``closing``."""
    wanted = settings.rules
    destination: Destination
    if wanted.write_to is not None:
        destination = RuleFolder(wanted.write_to, prometheus, reload=wanted.reload)
    elif wanted.ruler is not None:
        ruler = Ruler(wanted.ruler.connection(), api=wanted.ruler.api, path=wanted.ruler.api_path)
        closing.callback(ruler.close)
        destination = RulerNamespaces(ruler, wanted.ruler.namespace)
    else:
        return None
    return Rollout(destination, prometheus, partial(_note_rollout, "folder" if wanted.write_to else "ruler"))


def _note_rollout(destination: str, status: RolloutStatus) -> None:
    telemetry.RULES_ROLLED_OUT.labels(destination).set(1 if status.state == "ok" else 0)
    telemetry.RULES_DIFFERENCES.labels(destination).set(len(status.differences))


def _note_end(worker: asyncio.Task[None]) -> None:
    # Only a bug ends a worker early. /readyz says so from then on, and what is in the store goes on after a restart.
    if not worker.cancelled() and (error := worker.exception()):
        logger.critical("the worker %s has ended: restart the engine", worker.get_name(), exc_info=error)


def _note_slos(active: ActiveSlos) -> None:
    telemetry.SLO_FILES_LAST_RELOAD_SUCCESSFUL.set(0 if active.problems else 1)
    telemetry.SLO_FILES_PROBLEMS.set(len(active.problems))
    telemetry.SLOS.set(len(active.slos.slos))
