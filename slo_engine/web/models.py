"""What ``/api/v1`` answers with: what is read from the store of another version may lack fields, and have others."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339, as ``slo-engine status --json`` writes it."""


class Refusal(BaseModel):
    """Why nothing was done, or found."""

    detail: str


class Money(BaseModel):
    """An amount."""

    amount: float
    currency: str


class Events(BaseModel):
    """Over the SLO window. For spend ``total`` is the budget and ``errors`` what is spent."""

    total: float
    errors: float


class FiringAlert(BaseModel):
    """An alert that fires for the group."""

    alert: str
    severity: str
    long_window: str
    short_window: str


class Status(BaseModel):
    """One SLO group at one time, as ``slo-engine status --json`` has it."""

    service: str
    slo: str
    group: dict[str, str]
    objective: float | None
    """In percent; null for spend."""
    window: str
    budget: Money | None
    error_ratio: dict[str, float]
    """By window, and only where Prometheus has them."""
    burn_rate: dict[str, float]
    error_budget_remaining: float | None
    """1: untouched; negative: overspent; null: no data."""
    measured_over: str | None
    data_over: str | None
    is_window_full: bool | None
    is_estimate: bool
    events: Events | None
    exhausted_at: Time | None
    firing: list[FiringAlert]
    unpriced_models: list[str]
    evaluated_at: Time


class Statuses(BaseModel):
    """The newest status of the SLO groups that were asked for."""

    evaluated_at: Time | None
    failure: str | None
    """Why the last evaluation failed."""
    total: int
    """How many fit, those that are not on this page of the list included."""
    slos: list[Status]
    policies: list[str]
    """The steps of budget policies in force."""


class PastStatus(BaseModel):
    """A status of the past, with what the version of that day said of it."""

    model_config = ConfigDict(extra="allow")

    error_budget_remaining: float | None = None


class History(BaseModel):
    """Oldest first."""

    history: list[PastStatus]


class RecentCause(BaseModel):
    """A cause of the newest incidents of an SLO, over all its incidents."""

    cause: str
    incidents: int
    first_seen: Time
    last_seen: Time
    caused_by: str | None
    """What people wrote of why the last of them happened."""


class SloDetails(BaseModel):
    """What is behind an SLO."""

    service: str
    slo: str
    description: str
    owner: str | None
    labels: dict[str, str]
    policy: str
    definition: str
    """YAML: its file with everything written out."""
    rules: str
    """YAML: the rules that it makes."""
    status: list[Status]
    causes: list[RecentCause]


class Step(BaseModel):
    """A step of a budget policy in force."""

    slo: str
    group: dict[str, str]
    at_percent: float
    until_percent: float
    text: str
    freeze: bool
    since: Time
    error_budget_remaining: float | None


class Release(BaseModel):
    """Whether a service may release."""

    service: str
    releases: Literal["allowed", "frozen", "unknown"]
    reason: str
    steps: list[Step]
    evaluated_at: Time | None


class Crossings(BaseModel):
    """What happened to budgets, newest first."""

    crossings: list[dict[str, Any]]


class Progress(BaseModel):
    """How far a notification has come on its way to one sink."""

    sink: str
    state: str
    attempts: int
    last_error: str | None
    receipt: dict[str, Any] | None


class Notification(BaseModel):
    """A notification with its evidence."""

    key: str
    received_at: Time
    kind: str
    severity: str | None
    title: str
    state: str
    message: dict[str, Any]
    """As the webhook sink sends it."""
    deliveries: list[Progress]


class Quarantined(BaseModel):
    """A posted body that was not understood."""

    id: int
    received_at: Time
    error: str
    body: str
    bytes: int


class Notifications(BaseModel):
    """The newest."""

    notifications: list[Notification]
    quarantined: list[Quarantined]


class Entry(BaseModel):
    """A line of a timeline."""

    at: Time | None
    what: str
    deliveries: list[Progress]


class Incident(BaseModel):
    """Notifications that belong together."""

    key: str
    title: str
    state: Literal["firing", "resolved", "silent"]
    severity: str | None
    since: Time | None
    ended_at: Time | None
    about: list[dict[str, str]]
    """The labels of its alerts."""
    answers: list[str]
    """What the evidence says of each subject."""
    timeline: list[Entry]
    links: dict[str, str]


class Incidents(BaseModel):
    """What is open first, and pages before tickets; then the newest."""

    total: int
    since: Time | None
    """What came before was not looked through; null: there is nothing before."""
    incidents: list[Incident]


class Note(BaseModel):
    """What somebody wrote."""

    at: Time
    author: str
    kind: str
    text: str


class BurnedBudget(BaseModel):
    """What an incident cost an SLO group. Shares of its budget that were left."""

    service: str
    slo: str
    group: dict[str, str]
    before: float | None
    after: float | None
    money: str
    burning_since: Time | None


class IncidentDetails(Incident):
    """The same with what it cost, and what people wrote."""

    evidence: dict[str, Any]
    budgets: list[BurnedBudget]
    notes: list[Note]


class Budgeted(BaseModel):
    """A budget of money."""

    service: str
    slo: str
    group: dict[str, str]
    window: str
    spent: float
    budget: Money
    forecast: float | None
    forecast_for: str
    in_the_last_hour: float | None


class Spender(BaseModel):
    """Who spends, in US dollars since the first of the month. What it is the sum over is null."""

    service: str | None
    """The job of Prometheus."""
    agent: str | None
    model: str | None
    spent: float
    share: float
    forecast: float
    """By the end of the month, at the rate of the last day."""


class Spend(BaseModel):
    """Budgets of money, the most used first, and who spends."""

    budgets: list[Budgeted]
    total: int
    """How many spend, those that are not listed included."""
    spenders: list[Spender]
    query: str
    """What they come from."""
    failure: str | None


class Sink(BaseModel):
    """How a sink is doing."""

    sink: str
    breaker: Literal["closed", "open", "held"]
    reason: str | None
    held_for_seconds: float
    waiting: int
    delivered: int
    dead: int


class Sinks(BaseModel):
    """Those of the settings."""

    sinks: list[Sink]
