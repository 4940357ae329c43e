"""``posts`` and ``budget_policies``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from slo_engine.connection_settings import SettingsSection
from slo_engine.definitions.duration import Duration
from slo_engine.delivery.route_settings import HoursSettings, MatchSettings, SinkNames, ZoneName
from slo_engine.notifications import Link
from slo_engine.posts.crossings import Rules
from slo_engine.posts.plan import Crossings, Plan, Planned
from slo_engine.posts.policies import Policy, Step
from slo_engine.posts.schedule import CronError, Schedule

Percent = Annotated[float, Field(ge=0, lt=100)]


class BudgetMatchSettings(MatchSettings):
    """What budgets something is about: these have neither a severity nor a kind, and hours do not change what was
    agreed."""

    @model_validator(mode="after")
    def _asks_for_what_budgets_have(self) -> Self:
        for name in ("severity", "kind", "hours"):
            if getattr(self, name):
                raise ValueError(f"{name}: remove it, budgets have none: write service, slo, owner or labels")
        return self


class CrossingMatchSettings(MatchSettings):
    """The same for crossings, which happen at some hour."""

    @model_validator(mode="after")
    def _asks_for_what_crossings_have(self) -> Self:
        for name in ("severity", "kind"):
            if getattr(self, name):
                raise ValueError(f"{name}: remove it, budgets have none: write service, slo, owner, labels or hours")
        return self


class ScheduleSettings(SettingsSection):
    """One item of ``posts.schedules``."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][-a-z0-9_]{0,80}$")]
    """What it is remembered by: of one name each post is made once."""
    kind: Literal["digest", "report"] = "digest"
    """digest, or report: the report of the month before."""
    cron: str
    """Minute, hour, day, month, and day of the week by its name: 0 9 * * mon-fri."""
    zone: ZoneName = "UTC"
    """The time zone of the wall clock."""
    match: BudgetMatchSettings = BudgetMatchSettings()
    """The SLOs that it is about; nothing: all."""
    sinks: SinkNames
    """The names of one sink, or of several."""

    @field_validator("cron")
    @classmethod
    def _can_be_read(cls, cron: str) -> str:
        try:
            schedule = Schedule(cron, ZoneInfo("UTC"))
        except CronError as error:
            raise ValueError(str(error)) from None
        if schedule.next_after(datetime(2024, 1, 1, tzinfo=UTC)) is None:
            raise ValueError("is never due: no day is called so")
        return cron

    def schedule(self) -> Schedule:
        """As the clock asks it."""
        return Schedule(self.cron, ZoneInfo(self.zone))


class CrossingSettings(SettingsSection):
    """``posts.crossings``"""

    sinks: SinkNames
    """The names of one sink, or of several."""
    match: CrossingMatchSettings = CrossingMatchSettings()
    """The SLOs that it is about; nothing: all."""
    levels: tuple[Percent, ...] = (50, 25, 10, 0)
    """Percent of the error budget left."""
    recovery: Annotated[float, Field(gt=0, le=50)] = 5
    """How many points above a level the budget must be for the level to be left."""
    hold: Duration = Duration.parse("10m")
    """How long something must be so before it is told."""
    forecast: Annotated[
        Duration | None,
        BeforeValidator(
            lambda value: None if value is False else value, json_schema_input_type=Duration | Literal[False] | None
        ),
    ] = Duration.parse("3d")
    """An exhaustion that is nearer than this is told; false: none is."""
    min_data: Duration = Duration.parse("1h")
    """A budget that is measured over less is not told."""
    quiet: HoursSettings | None = None
    """Times of the week at which nothing is told; what is true then follows."""

    @field_validator("levels")
    @classmethod
    def _levels_differ(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if not levels or len(set(levels)) < len(levels):
            raise ValueError("must be some percentages, each of them once")
        return levels

    def rules(self) -> Rules:
        """As crossings are told."""
        return Rules(
            levels=tuple(level / 100 for level in self.levels),
            recovery=self.recovery / 100,
            hold=timedelta(seconds=self.hold.seconds),
            forecast=timedelta(seconds=self.forecast.seconds) if self.forecast else None,
            min_data=timedelta(seconds=self.min_data.seconds),
        )


class PostsSettings(SettingsSection):
    """``posts``: what the engine says by itself."""

    schedules: tuple[ScheduleSettings, ...] = ()
    """Digests and reports by schedule."""
    crossings: CrossingSettings | None = None
    """Tells that a budget passed a level, will be exhausted, or lost its data."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [each.name for each in self.schedules]
        if len(set(names)) < len(names):
            raise ValueError("schedules: two have the same name")
        return self

    def plan(
        self, policies: Sequence[Policy], links: tuple[Link, ...], interval: timedelta = timedelta(minutes=1)
    ) -> Plan:
        """As the clock follows it. ``links``: that go with each post; ``interval``: at which the budgets are
        evaluated."""
        told = self.crossings
        return Plan(
            schedules=tuple(
                Planned(each.name, each.kind, each.schedule(), each.match.match, each.sinks) for each in self.schedules
            ),
            crossings=None
            if told is None
            else Crossings(told.rules(), told.match.match, told.sinks, told.quiet.hours() if told.quiet else None),
            policies=tuple(policies),
            links=links,
            longest_between=max(Plan.longest_between, 3 * interval),
        )


class StepSettings(SettingsSection):
    """One step of a budget policy."""

    at: Percent
    """Percent of the error budget left under which it begins; 0: when the budget is exhausted."""
    text: Annotated[str, Field(min_length=1, max_length=500)]
    """What was agreed."""
    freeze: bool = False
    """true: releases wait."""
    tell: SinkNames = ()
    """Sinks that are told when it begins and ends, beside those of ``posts.crossings``."""
    until: Annotated[float, Field(gt=0, le=100)] | None = None
    """Where it ends; else 5 points above ``at``."""

    @model_validator(mode="after")
    def _ends_above(self) -> Self:
        if self.until is not None and self.until <= self.at:
            raise ValueError("until must be above at: the budget at which the step ends")
        return self

    def step(self) -> Step:
        """As it is asked. Without ``until`` it ends 5 points above ``at``, so that it does not come and go."""
        until = min(self.at + 5, 100) if self.until is None else self.until
        return Step(self.at / 100, until / 100, self.text, self.freeze, self.tell)


class BudgetPolicySettings(SettingsSection):
    """One item of ``budget_policies``."""

    match: BudgetMatchSettings = BudgetMatchSettings()
    """The SLOs that it is about; the first policy that is about an SLO counts."""
    steps: tuple[StepSettings, ...]
    """What holds from which level on."""

    @field_validator("steps")
    @classmethod
    def _has_steps(cls, steps: tuple[StepSettings, ...]) -> tuple[StepSettings, ...]:
        if not steps:
            raise ValueError("has no step: write one, such as {at: 0, text: no releases but fixes, freeze: true}")
        return steps

    def policy(self) -> Policy:
        """As it is asked."""
        return Policy(self.match.match, tuple(step.step() for step in self.steps))
