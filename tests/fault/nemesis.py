"""What goes wrong when: a schedule made of a seed, and the one who carries it out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from deploy.stack.processes import answers
from tests.fault.engines import READY_SECONDS, EngineProcess
from tests.fault.history import Disruption, History
from tests.fault.sinks import Behaviour, FakeSink, answering, hang, limited, ok, slow
from tests.postgres import Postgres
from tests.waiting import wait_for

SINK_FAULTS: dict[str, Behaviour] = {
    "hangs": hang,
    "answers 500": answering(500),
    "answers 503": answering(503, retry_after="2"),
    "answers 429": answering(429, retry_after="2"),
    "answers 401": answering(401),
    "takes 3 s": slow(3.0),
    "takes 10 a second": limited(10),
    "refuses": ok,  # the port is closed instead
}


@dataclass(frozen=True)
class Step:
    """One thing that is done to one target, and undone after a while."""

    at: float
    """Seconds after the beginning."""
    target: str
    fault: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.at:6.1f} s: {self.target} {self.fault} for {self.seconds:.1f} s"


def schedule(
    chance: random.Random, seconds: float, *, sinks: Sequence[str], engines: Sequence[str], store: str, pause: float
) -> list[Step]:
    """Faults of engines, of sinks and of the store, each kind one after the other, the kinds at the same time.
    ``pause``: the longest that an engine is stopped in the middle of what it does."""
    found: list[Step] = []

    def fill(pick: Callable[[], tuple[str, str, float]], calm: tuple[float, float]) -> None:
        at = chance.uniform(*calm) / 2
        while at < seconds:
            target, fault, lasts = pick()
            found.append(Step(at, target, fault, lasts))
            at += lasts + chance.uniform(*calm)

    def of_an_engine() -> tuple[str, str, float]:
        fault = chance.choice(["is killed", "is killed", "is stopped", "is paused"])
        lasts = chance.uniform(pause / 4, pause) if fault == "is paused" else chance.uniform(0.0, 3.0)
        return chance.choice(list(engines)), fault, lasts

    def of_a_sink() -> tuple[str, str, float]:
        return chance.choice(list(sinks)), chance.choice(list(SINK_FAULTS)), chance.uniform(2.0, 15.0)

    def of_the_store() -> tuple[str, str, float]:
        return "postgres", chance.choice(["is killed", "is restarted", "is paused"]), chance.uniform(0.5, 6.0)

    fill(of_an_engine, (4.0, 15.0))
    fill(of_a_sink, (2.0, 10.0))
    if store == "postgresql":
        fill(of_the_store, (15.0, 40.0))
    return sorted(found, key=lambda each: each.at)


class Nemesis:
    """Carries out a schedule, and mends everything at the end. Engines are started by the thread that calls it, which
    must live as long as they do."""

    def __init__(
        self,
        history: History,
        engines: Sequence[EngineProcess],
        sinks: Sequence[FakeSink],
        postgres: Postgres | None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._history = history
        self._engines = {each.name: each for each in engines}
        self._sinks = {each.name: each for each in sinks}
        self._postgres = postgres
        self._say = say
        self._open: Disruption | None = None

    def carry_out(self, steps: Sequence[Step], is_over: Callable[[], bool]) -> None:
        """Until the schedule has ended, or ``is_over`` says so."""
        began = time.monotonic()
        actions = [(step.at, step, True) for step in steps] + [(step.at + step.seconds, step, False) for step in steps]
        for at, step, begins in sorted(actions, key=lambda each: each[0]):
            while time.monotonic() < began + at and not is_over():
                for engine in self._engines.values():
                    engine.supervise()
                time.sleep(min(0.1, max(0.0, began + at - time.monotonic())))
            if is_over():
                break
            if begins:
                self._say(str(step))
            self._act(step, begins)
        self.mend()

    def mend(self) -> None:
        """Everything works again."""
        if self._postgres is not None:
            self._postgres.resume()
            if not self._postgres.is_running:
                self._postgres.start()
        if self._open is not None:
            self._open.until = time.time()
        for sink in self._sinks.values():
            sink.listen()
        for engine in self._engines.values():
            engine.resume()
            if not engine.is_running:
                engine.start()
        for engine in self._engines.values():
            wait_for(f"{engine.name} to be ready", partial(is_ready, engine), within=READY_SECONDS)

    def _act(self, step: Step, begins: bool) -> None:
        if step.target in self._sinks:
            _switch(self._sinks[step.target], step.fault, begins)
        elif step.target in self._engines:
            self._hit(self._engines[step.target], step.fault, begins)
        else:
            self._hit_postgres(step.fault, begins)

    def _hit(self, engine: EngineProcess, fault: str, begins: bool) -> None:
        match fault, begins:
            case "is killed", True:
                engine.kill()
            case "is stopped", True:
                engine.stop()
            case "is paused", True:
                engine.pause()
            case "is paused", False:
                engine.resume()
            case _:
                # It may be a while before it is ready: the store may be gone at the moment.
                engine.start(wait=False)

    def _hit_postgres(self, fault: str, begins: bool) -> None:
        assert self._postgres is not None
        if begins:
            self._open = self._history.disrupted(f"postgres {fault}")
        match fault, begins:
            case "is killed", True:
                self._postgres.kill()
            case "is restarted", True:
                self._postgres.stop()
            case "is paused", True:
                self._postgres.pause()
            case "is paused", False:
                self._postgres.resume()
            case _:
                self._postgres.start()
        if not begins and self._open is not None:
            self._open.until = time.time()
            self._open = None


def is_ready(engine: EngineProcess) -> bool:
    engine.supervise()
    return answers(f"{engine.url}/readyz")


def _switch(sink: FakeSink, fault: str, begins: bool) -> None:
    if not begins:
        sink.listen()
    elif fault == "refuses":
        sink.refuse()
    else:
        sink.behave(SINK_FAULTS[fault])
