"""What was planted beside what the evidence says: its data, not its text. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.causes.runs import World
from benchmarks.causes.worlds import Cell, Failure, told

STATED = 0.2
"""A share of failing runs from which on the answer states a cause."""

LARGER = 1.3
"""One of two causes is the larger from this ratio on; below, either may come first."""

CHANCE = 1e-4

Said = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """How the evidence of one incident fares. None: the question does not arise in this kind."""

    seed: int
    kind: str
    of: str
    """What is planted: names of attributes, or ``no attribute``."""
    failing: int
    """Runs that failed of the planted cause (of two: of the smaller); without an incident, all that failed."""
    is_cause_first: bool | None
    are_both_named: bool | None
    is_invented: bool | None
    is_attribute_named: bool | None
    """The first trait is the planted one."""
    is_told: bool | None
    """The runs that LangFuse holds tell the planted attribute: it is not chance (Fisher's exact test, one-sided, below
    1 in 10,000: there are some 100 attributes)."""
    is_no_attribute_named: bool | None
    """Nothing is planted but a step, and no trait is named."""
    planted: str
    said: str
    reasons: tuple[str, ...]
    """Of what was missed."""

    @property
    def is_right(self) -> bool:
        """Whether nothing was missed."""
        return not self.reasons

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return asdict(self)


def judge(world: World, said: Said) -> Verdict:
    """The verdict on one element of ``enrichment.subjects``."""
    plan = world.plan
    causes: Sequence[Said] = (said.get("traces") or {}).get("causes") or ()
    traits: Sequence[Said] = (said.get("contrast") or {}).get("traits") or ()
    cells = [cause.cell for cause in plan.causes if cause.cell]
    has_attribute = bool(cells)
    first = both = invented = attribute = bare = None
    reasons: list[str] = []
    if plan.causes:
        first = _is_first(world, causes)
        reasons += () if first else [_why_not_first(world, causes)]
    if plan.kind == "two":
        both = all(any(names(each, cause.failure) for each in causes) for cause in plan.causes)
        reasons += () if both else ["one of the two causes is not named"]
    if plan.kind == "none":
        reasons += (invents := list(_invented(said, causes, traits)))
        invented = bool(invents)
    elif has_attribute:
        attribute = bool(traits) and any(_is_cell(world, traits[0], cell) for cell in cells)
        reasons += () if attribute else [_why_not_named(world, cells, traits)]
    else:
        bare = not traits
        reasons += () if bare else [f"a trait of nobody: {_split(world, traits[0]['attributes'])}"]
    return Verdict(
        seed=plan.seed,
        kind=plan.kind,
        of=" or ".join(" x ".join(cell) for cell in cells) if cells else "no attribute",
        failing=min(map(world.of, plan.causes)) if plan.causes else len(world.failing),
        is_cause_first=first,
        are_both_named=both,
        is_invented=invented,
        is_attribute_named=attribute,
        is_told=min(by_chance(world, cell) for cell in cells) < CHANCE if has_attribute else None,
        is_no_attribute_named=bare,
        planted=f"{plan.runs} runs, {plan.sample_rate:.0%} kept; {plan.planted}",
        said=_said(causes, traits, said.get("answer")),
        reasons=tuple(reasons),
    )


def names(cause: Said, failure: Failure) -> bool:
    """Whether a cause of the evidence is this failure: its step, and words of its message that never vary."""
    what = str(cause["what"])
    is_step = what.startswith("model") if failure.type == "GENERATION" else what.split()[-1] == failure.step
    return is_step and failure.message.mark in str(cause["message"])


def _is_first(world: World, causes: Sequence[Said]) -> bool:
    ranked = sorted(world.plan.causes, key=world.of, reverse=True)
    if len(ranked) == 2 and world.of(ranked[0]) < LARGER * world.of(ranked[1]):
        return bool(causes) and any(names(causes[0], cause.failure) for cause in ranked)
    return bool(causes) and names(causes[0], ranked[0].failure)


def _invented(said: Said, causes: Sequence[Said], traits: Sequence[Said]) -> Iterator[str]:
    answer = said.get("answer")
    if traits:
        yield f"a trait is named: {told(traits[0]['attributes'])} (q {traits[0].get('q_value')})"
    if answer and causes and causes[0]["share"] >= STATED and not str(answer).startswith("No clear cause"):
        yield f"{causes[0]['count']} alike failures are stated as the cause ({causes[0]['share']:.0%})"


def _is_cell(world: World, trait: Said, cell: Cell) -> bool:
    if trait["attributes"] == cell:
        return True
    # Said as being the same runs: right where that is so.
    return told(cell) in trait["same_runs"] and world.are_the_same(trait["attributes"], cell)


def _why_not_first(world: World, causes: Sequence[Said]) -> str:
    if not causes:
        return f"no cause is named, of {len(world.failing)} failing runs"
    ranked = sorted(world.plan.causes, key=world.of, reverse=True)
    counted = ", ".join(str(world.of(cause)) for cause in ranked)
    ranks = [index for index, each in enumerate(causes, 1) if names(each, ranked[0].failure)]
    where = f"the largest comes as number {ranks[0]}" if ranks else "the largest is not among the causes"
    return f"the planted step failed {counted} of {len(world.failing)} failing runs; {where}"


def _why_not_named(world: World, cells: Sequence[Cell], traits: Sequence[Said]) -> str:
    planted = "; ".join(_split(world, cell) for cell in cells)
    if not traits:
        return f"no trait is named; {planted}"
    attributes: Cell = traits[0]["attributes"]
    best = max(likelihood(world, cell) for cell in cells)
    fits = likelihood(world, attributes) - best
    how = "fits the runs better than what is planted" if fits > 0 else f"fits the runs worse by {-fits:.1f} (log odds)"
    return f"{_split(world, attributes)} {how}: {planted}"


def likelihood(world: World, cell: Cell) -> float:
    """How well these attributes tell apart what LangFuse holds: the log likelihood of a failure rate for the runs with
    them, and one for the others."""
    bad_with, bad, good_with, good = world.split(cell)
    return _binomial(bad_with, good_with) + _binomial(bad - bad_with, good - good_with)


def by_chance(world: World, cell: Cell) -> float:
    """How probable so many failing runs with these attributes are, were there no tie: Fisher's exact test."""
    bad_with, bad, good_with, good = world.split(cell)
    having = bad_with + good_with
    ways = _ways(bad + good, having)
    return sum(
        math.exp(_ways(bad, number) + _ways(good, having - number) - ways)
        for number in range(bad_with, min(bad, having) + 1)
        if having - number <= good
    )


def _ways(of: int, chosen: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(chosen + 1) - math.lgamma(of - chosen + 1)


def _binomial(bad: int, good: int) -> float:
    return sum(each * math.log(each / (bad + good)) for each in (bad, good) if each)


def _split(world: World, cell: Cell) -> str:
    bad_with, bad, good_with, good = world.split(cell)
    p = by_chance(world, cell)
    return f"{told(cell)} ({bad_with}/{bad} failing, {good_with}/{good} healthy read, p {p:.1g})"


def _said(causes: Sequence[Said], traits: Sequence[Said], answer: object) -> str:
    cause = (
        f"{causes[0]['what']}: {causes[0]['message'][:60]} ({causes[0]['count']}, {causes[0]['share']:.0%})"
        if causes
        else "no cause"
    )
    unclear = ", 'No clear cause'" if str(answer or "").startswith("No clear cause") else ""
    trait = " / ".join(" = ".join([each["text"], *each["same_runs"]]) for each in traits[:2]) or "no trait"
    return f"{cause}{unclear}; {trait}"
