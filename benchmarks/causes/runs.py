"""A plan -> the runs of its window, and what of them LangFuse holds: failing runs whole, healthy ones as they were
sampled, rows as v2 shows them. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.causes import words
from benchmarks.causes.worlds import Cause, Failure, Plan

UNTIL = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
"""When the notification comes."""

STARTED = UNTIL - timedelta(minutes=2)
"""When its alert started to fire."""

SINCE = STARTED - timedelta(hours=1)

PRODUCTION, STAGING = "production", "staging"

_LATE = timedelta(seconds=20)
"""The last runs end before the notification comes: LangFuse shows those that have ended."""

_STAGING_FAILS = 0.3

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run of the agent in production."""

    trace: str
    at: datetime
    attributes: Mapping[str, str]
    failure: Failure | None
    cause: Cause | None
    """None: it failed of the background, or did not fail."""
    caught: Failure | None
    """A step that failed although the run went on."""
    is_kept: bool


@dataclass(frozen=True)
class World:
    """What happened."""

    plan: Plan
    runs: tuple[Run, ...]
    rows: tuple[Row, ...]

    @property
    def failing(self) -> list[Run]:
        """The runs of production that failed."""
        return [run for run in self.runs if run.failure]

    def of(self, cause: Cause) -> int:
        """How many runs a cause has brought down."""
        return sum(run.cause is cause for run in self.runs)

    def are_the_same(self, one: Mapping[str, str], other: Mapping[str, str]) -> bool:
        """Whether the runs that LangFuse holds with these attributes are those with the others: nobody could tell which
        of them it is."""
        kept = (run.attributes.items() for run in self.runs if run.is_kept)
        return all((one.items() <= each) == (other.items() <= each) for each in kept)

    def split(self, cell: Mapping[str, str]) -> tuple[int, int, int, int]:
        """Of what LangFuse holds: failing runs with these attributes, all failing ones, healthy ones with them, all
        healthy ones."""
        kept = [(bool(run.failure), cell.items() <= run.attributes.items()) for run in self.runs if run.is_kept]
        bad = [has for failed, has in kept if failed]
        good = [has for failed, has in kept if not failed]
        return sum(bad), len(bad), sum(good), len(good)


def world(plan: Plan) -> World:
    """All runs of a plan, and the rows of those that LangFuse has."""
    rng = random.Random(f"runs of {plan.seed}")
    runs = tuple(_runs(plan, plan.runs, rng))
    rows: list[Row] = []
    for run in runs:
        if run.is_kept:
            rows += rows_of(run, plan, rng)
    rows += _staging(plan, rng)
    for agent in plan.others:
        if agent != plan.agent:
            rows += _another(agent, plan, rng)
    rows.sort(key=lambda row: str(row["startTime"]))
    return World(plan, runs, tuple(rows))


def _runs(plan: Plan, number: int, rng: random.Random) -> Iterator[Run]:
    drawn = {name: rng.choices(each.values, each.weights, k=number) for name, each in plan.choices.items()}
    background = rng.choices(plan.background, plan.background_weights, k=number)
    length = UNTIL - _LATE - SINCE
    for index in range(number):
        part = rng.random()
        attributes = {name: values[index] for name, values in drawn.items()}
        if plan.rollout and part >= plan.rollout.begins and rng.random() < plan.rollout.share:
            attributes["release"] = plan.rollout.release
            attributes["prompt"] = plan.rollout.prompt or attributes["prompt"]
        cause = _cause(plan, attributes, part, rng)
        failure = cause.failure if cause else background[index] if rng.random() < plan.background_rate else None
        caught = None
        if rng.random() < plan.caught_rate:
            tools = [each for each in plan.background if each.type == "TOOL" and each is not failure]
            caught = rng.choice(tools) if tools else None
        yield Run(
            trace=f"{rng.getrandbits(128):032x}",
            at=SINCE + part * length,
            attributes=attributes,
            failure=failure,
            cause=cause,
            caught=caught,
            # The monitoring library keeps whatever has an error in it, be it one that was caught.
            is_kept=bool(failure or caught) or rng.random() < plan.sample_rate,
        )


def _cause(plan: Plan, attributes: Mapping[str, str], part: float, rng: random.Random) -> Cause | None:
    if part < plan.begins:
        return None
    for cause in plan.causes if rng.random() < 0.5 else reversed(plan.causes):
        if cause.cell.items() <= attributes.items() and rng.random() < cause.probability:
            return cause
    return None


def rows_of(run: Run, plan: Plan, rng: random.Random, environment: str = PRODUCTION) -> list[Row]:
    """A run as our monitoring library sends it and LangFuse shows it."""
    return _Trace(run, plan, rng, environment).rows


class _Trace:
    """The rows of one run, as it goes on."""

    def __init__(self, run: Run, plan: Plan, rng: random.Random, environment: str) -> None:
        attributes = run.attributes
        self._run, self._plan, self._rng = run, plan, rng
        self._common: Row = {
            "traceId": run.trace,
            "projectId": "agents",
            "environment": environment,
            "release": attributes["release"],
            "userId": attributes["user"],
            "sessionId": f"s-{attributes['user']}-{rng.randint(1, 9)}",
            "traceName": plan.agent,
            "tags": [
                f"agent_type:{plan.agent}",
                f"team:{plan.agent.partition('_')[0]}",
                *(
                    f"{name.removeprefix('tag ')}:{value}"
                    for name, value in attributes.items()
                    if name.startswith("tag ")
                ),
            ],
        }
        self._root = self._parent = _id(rng)
        self._now = run.at + timedelta(milliseconds=rng.randint(1, 20))
        self.rows: list[Row] = []
        if plan.wraps:
            self._parent = _id(rng)
        said = self._work()
        end = self._now + timedelta(milliseconds=rng.choice((0, 0, 1, 3)))
        if plan.wraps:
            self._add("CHAIN", "pipeline", run.at, end, said, id=self._parent, parentObservationId=self._root)
        self._add(
            "AGENT",
            plan.agent,
            run.at,
            end,
            None if said is None else self._said_by_the_run(said),
            id=self._root,
            parentObservationId=None,
            isRootObservation=True,
            metadata=self._metadata(),
        )

    def _work(self) -> str | None:
        """The steps; what ended the run, if it failed."""
        run, rng, plan = self._run, self._rng, self._plan
        failure = run.failure
        if failure is not None and failure.type == "GENERATION" and rng.random() < 0.5:
            return self._fail(failure)
        self._step("GENERATION", run.attributes["model"])
        if run.caught is not None:
            self._step("TOOL", run.caught.step, run.caught.message.said(rng))
            if rng.random() < 0.5:
                self._step("TOOL", run.caught.step)  # it is tried again, and goes well
        if failure is not None and failure.type == "TOOL":
            if rng.random() < 0.5:
                self._step("TOOL", rng.choice(plan.tools))
            return self._fail(failure)
        self._step("TOOL", rng.choice(plan.tools))
        if failure is not None:
            return self._fail(failure)
        self._step("GENERATION", run.attributes["model"])
        return None

    def _fail(self, failure: Failure) -> str:
        if failure.type == "AGENT":
            return failure.message.said(self._rng)
        said = ""
        for _ in range(failure.attempts):
            begun = self._now
            said = failure.message.said(self._rng)
            self._step(failure.type, failure.step or self._run.attributes["model"], said)
        beside = [tool for tool in self._plan.tools if tool != failure.step]
        if self._plan.is_parallel and self._rng.random() < 0.5:
            begun -= timedelta(milliseconds=self._rng.randint(0, 3))
            ended = self._now + timedelta(milliseconds=self._rng.randint(0, 2))
            self._add("TOOL", self._rng.choice(beside), begun, ended, words.CANCELLED)
            self._now = ended
        return said

    def _step(self, kind: str, name: str, said: str | None = None) -> None:
        seconds = self._rng.uniform(0.2, 2.0) if kind == "GENERATION" else self._rng.uniform(0.005, 0.8)
        end = self._now + timedelta(seconds=seconds)
        more = {"model": name, "usageDetails": {"input": 900, "output": 60, "total": 960}, "totalUsage": 960}
        self._add(kind, name, self._now, end, said, **(more if kind == "GENERATION" else {}))
        self._now = end + timedelta(milliseconds=self._rng.randint(0, 5))

    def _add(self, kind: str, name: str, start: datetime, end: datetime, said: str | None, **more: Any) -> None:
        self.rows.append(
            {
                **self._common,
                "id": more.pop("id", None) or _id(self._rng),
                "parentObservationId": self._parent,
                "type": kind,
                "name": name,
                "startTime": shown(start),
                "endTime": shown(end),
                "latency": round((end - start).total_seconds(), 3),
                "level": "DEFAULT" if said is None else "ERROR",
                "statusMessage": said or "",
                **more,
            }
        )

    def _said_by_the_run(self, said: str) -> str:
        if self._run.failure is None or self._run.failure.type == "AGENT" or self._plan.root_says == "same":
            return said
        return f"AgentError: gave up: {said}" if self._plan.root_says == "more" else "AgentError: the run was aborted"

    def _metadata(self) -> Row:
        run, attributes = self._run, self._run.attributes
        name, _, version = attributes["prompt"].partition(" ")
        found: Row = {
            "model": attributes["model"],
            "prompt_name": name,
            "prompt_version": int(version) if version.isdigit() else version,
            "channel": attributes["channel"],
            "language": attributes["language"],
            "request_id": f"{self._rng.getrandbits(64):016x}",
            "scope.name": "slo-engine",
            "resourceAttributes.service.name": "agents",
        }
        if run.failure is not None:
            found |= {"traceback": "agents.py:38 in answer", "error_category": "tool_failure"}
        elif run.caught is None and self._plan.sample_rate < 1:
            found["slo_engine_sample_rate"] = self._plan.sample_rate
        return found


def _staging(plan: Plan, rng: random.Random) -> Iterator[Row]:
    """The same agent elsewhere, where a lot fails for reasons of its own."""
    failures = [Failure("TOOL", rng.choice(plan.tools), words.Message("ImportError: staging lacks the key {n}", "key"))]
    for run in _foreign(plan, rng, plan.runs // 8 + 1, failures, _STAGING_FAILS):
        yield from rows_of(run, plan, rng, STAGING)


def _another(agent: str, plan: Plan, rng: random.Random) -> Iterator[Row]:
    other = replace(plan, agent=agent, wraps=False)
    failures = [Failure("TOOL", rng.choice(words.TOOLS), rng.choice(words.OF_TOOLS)) for _ in range(rng.randint(1, 3))]
    number = min(round(plan.runs * rng.uniform(0.1, 0.4)) + 1, 2000)
    for run in _foreign(other, rng, number, failures, rng.uniform(0.02, 0.5)):
        yield from rows_of(run, other, rng)


def _foreign(plan: Plan, rng: random.Random, number: int, failures: Sequence[Failure], rate: float) -> Iterator[Run]:
    for _ in range(number):
        failure = rng.choice(failures) if rng.random() < rate else None
        if failure is None and rng.random() >= plan.sample_rate:
            continue
        attributes = {name: rng.choices(each.values, each.weights)[0] for name, each in plan.choices.items()}
        at = SINCE + rng.random() * (UNTIL - _LATE - SINCE)
        yield Run(f"{rng.getrandbits(128):032x}", at, attributes, failure, None, None, is_kept=True)


def shown(time: datetime) -> str:
    """A time as LangFuse writes it."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _id(rng: random.Random) -> str:
    return f"{rng.getrandbits(64):016x}"
