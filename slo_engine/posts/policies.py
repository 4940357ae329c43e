"""Error-budget policies: what a team has agreed to do when so much of a budget is left. Data; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from slo_engine import amounts
from slo_engine.definitions.slo import Slo
from slo_engine.notifications.routes import Match
from slo_engine.posts.addressees import addressee


@dataclass(frozen=True)
class Step:
    """What holds while little is left."""

    at: float
    """It begins when less than this ratio of the error budget is left; at 0, when nothing is."""
    until: float
    """It ends when so much is left again."""
    text: str
    freeze: bool = False
    """Whether releases wait."""
    tell: tuple[str, ...] = ()
    """Sinks that are told when it begins and ends, beside those of crossings."""

    @property
    def identity(self) -> str:
        """What it is known by in the store: another text is another agreement, which is told anew."""
        return hashlib.sha256(f"{self.at:g}\0{self.freeze}\0{self.text}".encode()).hexdigest()[:16]

    @property
    def said(self) -> str:
        """``at 25 %: reliability work goes first``"""
        return f"at {amounts.about_percent(self.at)}: {self.text}{' (releases are frozen)' if self.freeze else ''}"

    def begins(self, left: float) -> bool:
        """Whether a budget of which so much is left brings it into force."""
        return left <= 0 if self.at <= 0 else left < self.at

    def goes_on(self, left: float) -> bool:
        """Whether it stays in force."""
        return left < self.until


@dataclass(frozen=True)
class Policy:
    """The steps for the SLOs that it is about."""

    match: Match
    steps: tuple[Step, ...]


def steps_for(policies: Iterable[Policy], slo: Slo, group: Mapping[str, str]) -> tuple[Step, ...]:
    """The steps of the first policy that is about a group of an SLO; none: nothing was agreed."""
    about = addressee(slo, group)
    for policy in policies:
        if policy.match.about(about):
            return policy.steps
    return ()
