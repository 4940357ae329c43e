"""The jobs that an engine does again and again, each in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.schedulers.background import BackgroundScheduler

from slo_engine import telemetry
from slo_engine.clock_steps import Steps
from slo_engine.worker import Worker

logger = logging.getLogger(__name__)

_EVENTS = {EVENT_JOB_MISSED: "missed", EVENT_JOB_MAX_INSTANCES: "still_running", EVENT_JOB_ERROR: "error"}


class Clock(Worker):
    """Runs its jobs from `start` on. As a worker, it sees to it that they go on when the machine's clock is set back:
    APScheduler notes by that clock when each is due, and would wait until it shows that time again."""

    def __init__(self) -> None:
        super().__init__()
        # misfire_grace_time=None: a run that is late (the default drops it after one second) still runs, once.
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._scheduler.add_listener(_note, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_ERROR)
        self._steps = Steps()

    def add(self, name: str, job: Callable[[], object], seconds: float) -> None:
        """Do a job at the start and then every so many seconds, one run at a time."""
        self._scheduler.add_job(job, "interval", seconds=seconds, id=name, next_run_time=datetime.now(UTC))
        for event in _EVENTS.values():  # from 0, so that the first one is an increase
            telemetry.CLOCK_EVENTS.labels(name, event)

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not shut down."""
        return bool(self._scheduler.running)

    def start(self) -> None:
        """Begin with the jobs."""
        self._was_set_back()  # from when it is looked after: a step after that is seen
        self._scheduler.start()

    def shut_down(self) -> None:
        """Begin no run any more; without waiting for those under way: one that hangs on a server must not keep the
        process."""
        self._scheduler.shutdown(wait=False)

    async def run(self) -> None:
        """Look after the machine's clock until stopped."""
        while self.begin_round():
            if self._was_set_back():
                logger.warning("the machine's clock was set back: the jobs of the engine go on from now")
                await asyncio.to_thread(self._go_on)
            await self.rest()

    def _was_set_back(self) -> bool:
        return self._steps.was_set_back(time.time(), time.monotonic())

    def _go_on(self) -> None:
        now = datetime.now(UTC)
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=now)


def _note(event: JobEvent) -> None:
    telemetry.CLOCK_EVENTS.labels(event.job_id, _EVENTS[event.code]).inc()
