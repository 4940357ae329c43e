"""One run: alerts, engines, sinks and faults, all from one seed; then everything is mended, and the checker looks."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.fault.alertmanagers import Pair, groups_by_chance
from tests.fault.checker import Verdict, check
from tests.fault.engines import Engines
from tests.fault.history import History
from tests.fault.loop import Loop
from tests.fault.nemesis import Nemesis, Step, schedule
from tests.fault.sinks import FakeSink
from tests.postgres import Postgres

INTERVAL = 3.0
"""The group_interval, in seconds: a flush of the second member of a pair must not reach into the next one. About seven
in ten flushes have something to say."""

PATIENCE = 4
"""So many times as long as planned a run may take until all of its notifications are acknowledged."""

SETTLE_SECONDS = 240.0
"""For what waits after everything was mended: a lease that has to end, and the pauses before attempts."""

STALLED_SECONDS = 75.0
"""A sink that was sent nothing for so long, which is more than a lease, will not be sent anything."""

QUIET_SECONDS = 3.0
"""After the last notification that was owed: what comes then is one too many."""


@dataclass(frozen=True)
class Plan:
    """All that a run depends on."""

    seed: int
    store: Literal["sqlite", "postgresql"] = "sqlite"
    replicas: int = 1
    notifications: int = 300
    rate: float = 60.0
    """Notifications a second, where nothing is in their way."""
    sinks: int = 2
    pause: float = 8.0
    has_faults: bool = True

    def __str__(self) -> str:
        faults = "" if self.has_faults else " --no-faults"
        return (
            f"--seed {self.seed} --store {self.store} --replicas {self.replicas} --notifications {self.notifications} "
            f"--rate {self.rate:g} --pause {self.pause:g}{faults}"
        )


@dataclass
class Report:
    """What came of it."""

    plan: Plan
    steps: list[Step]
    verdict: Verdict
    tracebacks: list[str]
    seconds: float
    settled_after: float
    """Seconds from the time when everything was mended to the last notification that was owed."""
    disruptions: dict[str, int] = field(default_factory=dict)

    @property
    def violations(self) -> list[str]:
        """What was promised and not kept."""
        return [*self.verdict.violations, *(f"traceback: {line}" for line in self.tracebacks)]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "plan": asdict(self.plan),
            "replay": f"python -m tests.fault {self.plan}",
            "steps": [str(step) for step in self.steps],
            "counts": self.verdict.counts,
            "disruptions": self.disruptions,
            "seconds": round(self.seconds, 1),
            "settled_after": round(self.settled_after, 1),
            "violations": self.violations,
        }


def run(plan: Plan, *, folder: Path | None = None, say: Callable[[str], None] = lambda _: None) -> Report:
    """Carry out a plan."""
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slo-engine-fault-")))
        return _run(plan, folder, stack, say)


def _run(plan: Plan, folder: Path, stack: ExitStack, say: Callable[[str], None]) -> Report:
    chance = random.Random(plan.seed)
    history = History()
    loop = stack.enter_context(Loop())
    sinks = [FakeSink(f"sink-{number}", loop, history) for number in range(plan.sinks)]
    postgres = stack.enter_context(Postgres()) if plan.store == "postgresql" else None
    store = postgres.new_database() if postgres else None
    engines = stack.enter_context(Engines(folder, history, sinks, store=store, replicas=plan.replicas))
    number = max(4, round(plan.notifications / plan.rate / INTERVAL))
    # What cannot be acknowledged while an engine is away is made up for afterwards.
    groups = groups_by_chance(max(2, round(plan.rate * INTERVAL / 0.7)), number * PATIENCE, chance)
    lasts = INTERVAL * (number * PATIENCE + 1)
    steps = schedule(
        chance,
        lasts,
        sinks=[each.name for each in sinks],
        engines=[each.name for each in engines.all],
        store=plan.store,
        pause=plan.pause,
    )
    steps = steps if plan.has_faults else []
    pair = Pair(
        history,
        engines.webhooks,
        interval=INTERVAL,
        flush_seconds=4.0,
        chance=random.Random(plan.seed),
    )
    began = time.monotonic()
    gives_up = began + lasts + SETTLE_SECONDS
    alerts = loop.start(pair.run(groups, lambda: time.monotonic() > gives_up, plan.notifications))
    Nemesis(history, engines.all, sinks, postgres, say).carry_out(
        steps, lambda: alerts.done() or time.monotonic() > gives_up
    )
    alerts.result(lasts + SETTLE_SECONDS)
    names = [each.name for each in sinks]
    mended = time.monotonic()
    heard, heard_at = 0, mended
    while check(history, names).lost and time.monotonic() < min(mended + SETTLE_SECONDS, heard_at + STALLED_SECONDS):
        time.sleep(1.0)
        if len(history.received) > heard:
            heard, heard_at = len(history.received), time.monotonic()
    settled = time.monotonic()
    time.sleep(QUIET_SECONDS)
    disruptions: dict[str, int] = {}
    for each in (*history.disruptions, *history.outages):
        disruptions[each.what] = disruptions.get(each.what, 0) + 1
    return Report(
        plan,
        steps,
        check(history, names),
        engines.tracebacks(),
        time.monotonic() - began,
        settled - mended,
        disruptions,
    )
