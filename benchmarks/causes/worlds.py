"""A seed -> the plan of an incident: what the agent is like, and what breaks for whom. Pure."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.causes import words
from benchmarks.causes.words import Message

Kind = Literal["one", "two", "confounded", "none"]
KINDS: tuple[Kind, ...] = ("one", "two", "confounded", "none")

FEWEST, MOST = 20, 20_000
"""Runs of the agent in the window, log-uniform."""

Cell = Mapping[str, str]
"""Attributes that a run must have, by the names that the evidence uses; {}: every run."""

_DIMENSIONS: tuple[tuple[str, ...], ...] = (
    # What is planted, in turn: one attribute, two of them, or none.
    ("prompt",),
    ("model",),
    ("release",),
    ("user",),
    ("tag region",),
    ("channel",),
    ("model", "prompt"),
    (),
    ("prompt",),
    ("tag tier",),
    ("language",),
    ("prompt", "tag region"),
    ("release", "model"),
    (),
)


@dataclass(frozen=True)
class Failure:
    """A way to fail. ``step``: of a tool its name; of a GENERATION empty, for its name is that of the run's model. Of
    an AGENT no step fails, but the run itself."""

    type: Literal["TOOL", "GENERATION", "AGENT"]
    step: str
    message: Message
    attempts: int = 1
    """How often it is tried before the run fails."""


@dataclass(frozen=True)
class Cause:
    """What was planted: in this cell, so many runs fail so."""

    failure: Failure
    cell: Cell
    probability: float


@dataclass(frozen=True)
class Choice:
    """What a run may have for an attribute, and how often."""

    values: tuple[str, ...]
    weights: tuple[float, ...]

    def share(self, value: str) -> float:
        """Of the runs, with this value."""
        return dict(zip(self.values, self.weights, strict=True))[value]


@dataclass(frozen=True)
class Rollout:
    """A release that comes within the window: from ``begins`` (a part of the window) this share of runs has it, and the
    prompt that came with it."""

    release: str
    begins: float
    share: float
    prompt: str | None = None


@dataclass(frozen=True)
class Plan:
    """All that an incident is made of."""

    seed: int
    kind: Kind
    agent: str
    tools: tuple[str, ...]
    runs: int
    choices: Mapping[str, Choice]
    causes: tuple[Cause, ...]
    alias: Cell
    """What else the runs of the planted cell have, all of them and no others."""
    begins: float
    """The part of the window after which the causes act."""
    rollout: Rollout | None
    background: tuple[Failure, ...]
    background_weights: tuple[float, ...]
    background_rate: float
    caught_rate: float
    sample_rate: float
    wraps: bool
    """Its steps hang below a CHAIN of the same millisecond as the root."""
    is_parallel: bool
    """It calls tools side by side, and cancels the others when one fails."""
    root_says: Literal["same", "more", "other"]
    """What the run says when a step of it failed: the step's message, that within another, or something else."""
    others: tuple[str, ...]
    """Agents of the same project."""

    @property
    def planted(self) -> str:
        """For people."""
        if not self.causes:
            return "nothing"
        return " + ".join(
            f"{told(each.cell)}: {each.failure.step or 'model'} '{each.failure.message.mark}' {each.probability:.0%}"
            for each in self.causes
        ) + (f" (the same runs: {told(self.alias)})" if self.alias else "")


def plan(seed: int) -> Plan:
    """The incident of a seed."""
    kind = KINDS[seed % len(KINDS)]
    # Some draws have no value that is common enough, or two causes of too different size: the next one is taken.
    for attempt in itertools.count():
        found = _drawn(seed, kind, random.Random(f"{seed}/{attempt}"))
        if found is not None:
            return found
    raise AssertionError


def dimensions_of(seed: int, number: int = 0) -> tuple[str, ...]:
    """What is planted as cause ``number`` of a seed."""
    return _DIMENSIONS[(seed // len(KINDS) + 5 * number) % len(_DIMENSIONS)]


def _drawn(seed: int, kind: Kind, rng: random.Random) -> Plan | None:
    tools = tuple(rng.sample(words.TOOLS, rng.randint(3, 6)))
    choices = _choices(rng)
    rollout = _rollout(kind, seed, choices, rng)
    failures = _failures(tools, rng)
    rng.shuffle(failures)
    causes = _causes(kind, seed, choices, rollout, failures, rng)
    if causes is None:
        return None
    background = failures[len(causes) :][: 30 if kind == "none" else rng.randint(4, 15)]
    # Without an incident nothing stands out; in one, the noise is as uneven as it is anywhere.
    weights = [1.0 if kind == "none" else 1 / rank for rank in range(1, len(background) + 1)]
    acting_from_the_start = rng.random() < 0.5 or (rollout is not None and rollout.begins > 0)
    return Plan(
        seed=seed,
        kind=kind,
        agent=rng.choice(words.AGENTS),
        tools=tools,
        runs=round(math.exp(rng.uniform(math.log(FEWEST), math.log(MOST)))),
        choices=choices,
        causes=tuple(causes),
        alias={"release": rollout.release} if kind == "confounded" and rollout is not None else {},
        begins=0.0 if acting_from_the_start else rng.uniform(0.1, 0.8),
        rollout=rollout,
        background=tuple(background),
        background_weights=tuple(weights),
        # An alert that fires although nothing broke has seen more than the usual noise.
        background_rate=rng.uniform(0.02, 0.08) if kind == "none" else rng.uniform(0.005, 0.03),
        caught_rate=rng.choice((0.0, 0.01, 0.05)),
        sample_rate=rng.choice((1.0, 0.15, 0.1)),
        wraps=rng.random() < 0.4,
        is_parallel=rng.random() < 0.4,
        root_says=rng.choices(("same", "more", "other"), (75, 15, 10))[0],
        others=tuple(rng.sample(words.AGENTS, 3)),
    )


def _choices(rng: random.Random) -> dict[str, Choice]:
    prompt, version = rng.choice(words.PROMPTS), rng.randint(4, 30)
    prefix = rng.choice(("v", ""))
    prompts = [f"{prompt} {prefix}{version - back}" for back in range(rng.randint(2, 3))]
    if rng.random() < 0.3:
        prompts.append(f"{rng.choice([each for each in words.PROMPTS if each != prompt])} {prefix}{rng.randint(1, 9)}")
    releases = [f"2026.11.{day}-{rng.randint(1, 4)}" for day in rng.sample(range(10, 26), rng.randint(2, 3))]
    users = [f"user-{number}" for number in rng.sample(range(1, 5000), rng.randint(30, 400))]
    return {
        "prompt": _uneven(prompts, rng),
        "model": _uneven(rng.sample(words.MODELS, rng.randint(2, 4)), rng),
        "release": _uneven(releases, rng),
        # A big customer makes a tenth of all runs, hundreds make one or two.
        "user": _weighted(users, [min(1 / rank**0.9, 0.6) for rank in range(1, len(users) + 1)]),
        "tag region": _uneven(rng.sample(words.REGIONS, rng.randint(2, 4)), rng),
        "tag tier": _uneven(words.TIERS, rng),
        "channel": _uneven(rng.sample(words.CHANNELS, rng.randint(2, 4)), rng),
        "language": _uneven(rng.sample(words.LANGUAGES, rng.randint(3, 6)), rng),
    }


def _uneven(values: Sequence[str], rng: random.Random) -> Choice:
    return _weighted(values, [rng.uniform(0.15, 1.0) for _ in values])


def _weighted(values: Iterable[str], weights: Sequence[float]) -> Choice:
    return Choice(tuple(values), tuple(weight / sum(weights) for weight in weights))


def _rollout(kind: Kind, seed: int, choices: Mapping[str, Choice], rng: random.Random) -> Rollout | None:
    if kind == "confounded":
        name, _, version = choices["prompt"].values[0].partition(" ")
        newer = f"{'v' if version.startswith('v') else ''}{int(version.removeprefix('v')) + 1}"
        prompt = f"{name} {newer}"
    elif kind == "one" and dimensions_of(seed) == ("release",) and rng.random() < 0.7:
        prompt = None
    else:
        return None
    begins = rng.choice((0.0, rng.uniform(0.1, 0.8)))
    return Rollout("2026.11.27-1", begins, rng.uniform(0.1, 0.5) if not begins else rng.uniform(0.3, 1.0), prompt)


def _failures(tools: Sequence[str], rng: random.Random) -> list[Failure]:
    of_tools = [Failure("TOOL", tool, said, rng.choice((1, 1, 1, 3))) for tool in tools for said in words.OF_TOOLS]
    of_models = [Failure("GENERATION", "", said, rng.choice((1, 1, 2))) for said in words.OF_MODELS]
    return [*rng.sample(of_tools, 32), *of_models, *(Failure("AGENT", "", said) for said in words.OF_AGENTS)]


def _causes(
    kind: Kind,
    seed: int,
    choices: Mapping[str, Choice],
    rollout: Rollout | None,
    failures: list[Failure],
    rng: random.Random,
) -> list[Cause] | None:
    """What is planted; None: this draw does not do. The failures that it takes come to the beginning of the list."""
    if kind == "none":
        return []
    steps = _of_different_steps(failures, 2 if kind == "two" else 1)
    failures[:] = [*steps, *(each for each in failures if each not in steps)]
    if rollout is not None:
        cell = {"prompt": rollout.prompt} if rollout.prompt else {"release": rollout.release}
        return [Cause(steps[0], cell, rng.uniform(0.3, 1.0))]
    causes = []
    for number, failure in enumerate(steps):
        cell_of = _cell(dimensions_of(seed, number), choices, rng)
        if cell_of is None:
            return None
        causes.append(Cause(failure, cell_of, rng.uniform(0.3, 1.0)))
    if kind == "two" and not 0.5 <= _size(causes[1], choices) / _size(causes[0], choices) <= 1.0:
        return None
    if kind == "two" and causes[0].cell.items() & causes[1].cell.items():
        # With a value in common that value may describe both together better than either cell does: no answer is right.
        return None
    return causes


def _of_different_steps(failures: Sequence[Failure], number: int) -> list[Failure]:
    found: list[Failure] = []
    for each in failures:
        if each.type != "AGENT" and all(each.step != other.step for other in found) and len(found) < number:
            found.append(each)
    return found


def _cell(dimensions: Sequence[str], choices: Mapping[str, Choice], rng: random.Random) -> Cell | None:
    """Values that are common, but not those of nearly all runs: what nearly all have sets nothing apart."""
    cell: dict[str, str] = {}
    for name in dimensions:
        most = 0.25 if name == "user" else 0.6
        common = [value for value in choices[name].values if 0.05 <= choices[name].share(value) <= most]
        if not common:
            return None
        cell[name] = rng.choice(common)
    return cell


def _size(cause: Cause, choices: Mapping[str, Choice]) -> float:
    return cause.probability * math.prod(choices[name].share(value) for name, value in cause.cell.items())


def told(cell: Cell) -> str:
    """As people read it, and as the evidence says which runs are the same."""
    return ", ".join(f"{name} {value}" for name, value in cell.items()) or "everybody"
