"""What a running engine does with rules: bring them to where they are evaluated, and watch that they stay."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any, Literal, Protocol

from slo_engine.definitions.slo import SloSet
from slo_engine.errors import SloEngineError
from slo_engine.rollout.comparison import PlainGroup
from slo_engine.rollout.files import check_files, write_files
from slo_engine.rollout.in_use import Advice, RuleDifference, compared, read_loaded, wanted_groups
from slo_engine.rollout.layout import render
from slo_engine.rollout.pushing import namespaces, plan
from slo_engine.rollout.sending import RuleStore, send

logger = logging.getLogger(__name__)

SHOWN_DIFFERENCES = 20


class RolloutError(SloEngineError):
    """Rules that could not be brought to where they are evaluated."""


class LoadedRulesSource(Protocol):
    """What evaluates the rules: the Prometheus door, or a test."""

    def rule_groups(self) -> Sequence[Mapping[str, Any]]:
        """``data.groups`` of ``GET /api/v1/rules``. Raises SloEngineError."""
        ...

    def reload(self) -> None:
        """Read the rule files again. Raises SloEngineError."""
        ...


class Destination(Protocol):
    """Where the rules of an SLO set go."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def bring(self, slos: SloSet) -> str:
        """Bring the rules there. Returns what has changed, in words; nothing when nothing has. Raises
        SloEngineError."""
        ...

    def refresh(self) -> None:
        """Have what is there read again, if that is ours to do. Raises SloEngineError."""
        ...

    def concerns(self, place: str) -> bool:
        """Whether a group that stands at this file or namespace could be one of ours."""
        ...

    @property
    def settles_at_once(self) -> bool:
        """Whether what was brought is what runs, from then on; a ruler takes it up some time later."""
        ...

    @property
    def left_over(self) -> Sequence[str]:
        """What stands there, is of our making, and is given by these SLO files no longer: not ours to remove."""
        ...


class RuleFolder:
    """A folder of rule files that Prometheus reads."""

    def __init__(self, folder: Path, prometheus: LoadedRulesSource, *, reload: bool) -> None:
        """``reload``: ask Prometheus to read the files again after a change (``--web.enable-lifecycle``)."""
        self.name = f"the folder {folder}"
        self._folder = folder
        self._prometheus = prometheus
        self._reload = reload
        self._rendered: tuple[SloSet, Mapping[str, str]] | None = None
        self._is_unread = False
        self._names: frozenset[str] = frozenset()

    settles_at_once = True
    left_over: Sequence[str] = ()

    def bring(self, slos: SloSet) -> str:
        """Write what differs from what is there; each file whole or not at all."""
        files = self._files(slos)
        changed = check_files(files, self._folder)
        self._names |= files.keys() | {drift.file.name for drift in changed}
        if changed:
            write_files(files, self._folder)
            self._is_unread = True
        if self._is_unread:
            # Also after a failure: what was written and not read yet must not be forgotten.
            self.refresh()
            self._is_unread = False
        return ", ".join(drift.file.name for drift in changed)

    def refresh(self) -> None:
        """Reload Prometheus."""
        if self._reload:
            self._prometheus.reload()

    def concerns(self, place: str) -> bool:
        """A file that has, or had, a name of ours. Prometheus may see the folder under another path; and other SLO
        files may fill another folder."""
        return PurePath(place).name in self._names

    def _files(self, slos: SloSet) -> Mapping[str, str]:
        if self._rendered is None or self._rendered[0] is not slos:
            self._rendered = (slos, render(slos))
        return self._rendered[1]


class RulerTenant(RuleStore, Protocol):
    """One tenant of a ruler."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def groups(self) -> Mapping[str, Sequence[Any]]:
        """Its groups by namespace. Raises SloEngineError."""
        ...


class RulerNamespaces:
    """The namespaces of one tenant of a Mimir or Cortex ruler."""

    def __init__(self, ruler: RulerTenant, namespace: str | None = None) -> None:
        """``namespace``: one for all; None: one for each service."""
        self.name = ruler.name
        self._ruler = ruler
        self._namespace = namespace
        self._ours: frozenset[str] = frozenset()
        self.left_over: Sequence[str] = ()

    settles_at_once = False

    def bring(self, slos: SloSet) -> str:
        """Send the groups that have changed, and delete those of ours that are gone."""
        wanted = namespaces(slos, self._namespace)
        if not wanted:
            raise RolloutError("the SLO files declare neither an SLO nor a threshold: nothing to push")
        # A service that is gone since the last time leaves its namespace to us, as nobody else fills it.
        self._ours |= wanted.keys()
        planned = plan({**dict.fromkeys(self._ours, ()), **wanted}, self._ruler.groups())
        changes = planned.changes
        # Of a service that went while no engine ran, or of other SLO files: who knows.
        self.left_over = [f"{name} ({number} groups)" for name, number in planned.left_over.items()]
        failed = [sent for sent in send(self._ruler, changes) if sent.error]
        if failed:
            raise RolloutError(f"{len(failed)} of {len(changes)} changes could not be sent: {failed[0].error}")
        return ", ".join(f"{change.action} {change.namespace}/{change.group}" for change in changes)

    def refresh(self) -> None:
        """Nothing: a ruler takes up changes by itself."""

    def concerns(self, place: str) -> bool:
        """The namespaces that these SLO files fill: other SLO files may fill others of the tenant."""
        return place in self._ours


State = Literal["waiting", "ok", "drift", "failed"]


@dataclass(frozen=True)
class RolloutStatus:
    """How far the rules have come."""

    state: State = "waiting"
    """``waiting``: nothing was rolled out yet. ``ok``: Prometheus runs exactly these rules, and they are healthy.
    ``drift``: it does not. ``failed``: they could not be brought there, or Prometheus could not be asked."""
    message: str = ""
    differences: tuple[RuleDifference, ...] = ()
    left_over: tuple[str, ...] = ()
    """Namespaces of a ruler that hold groups of ours, of services that these SLO files do not name: `rules push
    --prune` removes them."""
    not_evaluated: int = 0
    """Rules that Prometheus has loaded and not evaluated yet."""
    checked_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """For `/readyz`."""
        return {
            "state": self.state,
            "message": self.message,
            "differences": [str(each) for each in self.differences[:SHOWN_DIFFERENCES]],
            "left_over": list(self.left_over),
            "not_evaluated": self.not_evaluated,
            "checked_at": self.checked_at.isoformat() if self.checked_at else None,
        }


class Rollout:
    """Rolls out the rules of an SLO set, again and again. Thread-safe."""

    def __init__(
        self,
        destination: Destination,
        prometheus: LoadedRulesSource,
        on_status: Callable[[RolloutStatus], None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``on_status`` gets what each round has found."""
        self._destination = destination
        self._prometheus = prometheus
        self._on_status = on_status
        self._now = now
        self._lock = threading.Lock()
        self._status = RolloutStatus()
        self._wanted: tuple[SloSet, list[PlainGroup]] | None = None
        self._refreshed_for: tuple[RuleDifference, ...] = ()

    @property
    def status(self) -> RolloutStatus:
        """What the last round found."""
        return self._status

    def wait(self, why: str) -> RolloutStatus:
        """Leave everything as it is: there is no configuration to roll out yet."""
        with self._lock:
            if self._status.state == "waiting":
                self._note(RolloutStatus(message=why))
            return self._status

    def roll_out(self, slos: SloSet) -> RolloutStatus:
        """Bring the rules of these SLOs where they are evaluated, and compare. Never raises for what the other side
        does."""
        with self._lock:
            try:
                changed = self._destination.bring(slos)
                if changed:
                    logger.info("rules rolled out to %s: %s", self._destination.name, changed)
                if changed and not self._destination.settles_at_once:
                    status = RolloutStatus("waiting", "sent; compared with what runs in the next round")
                else:
                    status = self._settled(slos)
            except SloEngineError as error:
                status = RolloutStatus("failed", str(error), checked_at=self._now())
            self._note(status)
            return status

    def _settled(self, slos: SloSet) -> RolloutStatus:
        status = self._compared(slos)
        to_load = tuple(each for each in status.differences if each.is_of_loading)
        if to_load and to_load != self._refreshed_for:
            # Written, and not what is loaded: Prometheus was started from older files, or missed a reload. Once: where
            # that does not help, it would not help each half minute either.
            self._refreshed_for = to_load
            self._destination.refresh()
            status = self._compared(slos)
        if not any(each.is_of_loading for each in status.differences):
            self._refreshed_for = ()
        return status

    def _compared(self, slos: SloSet) -> RolloutStatus:
        loaded = read_loaded(self._prometheus.rule_groups())
        if self._wanted is None or self._wanted[0] is not slos:
            self._wanted = (slos, wanted_groups(slos))
        names = {group.name for group in self._wanted[1]}
        ours = [each for each in loaded.groups if each.group.name in names or self._destination.concerns(each.where)]
        advice = Advice(f"check that Prometheus reads {self._destination.name}", "reload Prometheus")
        found = compared(self._wanted[1], ours, advice)
        failures = [each for each in loaded.failures if each.group in names]
        differences = (*found, *failures)
        message = f"{len(differences)} differences between the rules that run and the SLO files" if differences else ""
        left_over = tuple(self._destination.left_over)
        state: State = "drift" if differences else "ok"
        return RolloutStatus(state, message, differences, left_over, loaded.pending, self._now())

    def _note(self, status: RolloutStatus) -> None:
        before, self._status = self._status, status
        if (before.state, before.message, before.differences) != (status.state, status.message, status.differences):
            if status.state in ("drift", "failed"):
                logger.error("rules: %s", "; ".join([status.message, *map(str, status.differences[:5])]))
            elif status.state == "ok":
                logger.info("rules: Prometheus runs what the SLO files say")
            else:
                logger.info("rules: %s", status.message)
        if status.left_over and status.left_over != before.left_over:
            logger.warning("rules: namespaces of services that no SLO file names: %s", ", ".join(status.left_over))
        self._on_status(status)
