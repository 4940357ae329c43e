"""Models of sinks, and of what one may expect to see there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from slo_engine.delivery.sink import Delivered, Misconfigured, Outcome, Refused, Retry
from slo_engine.notifications import Message
from tests.simulation.alertmanager import Told


class BreachError(AssertionError):
    """A promise is broken."""


class Mode(Enum):
    """How a sink answers."""

    TAKES = "takes"
    FAILS = "fails"
    LOSES_ANSWERS = "takes, and the answer is lost"
    LIMITS = "limits"
    LIMITS_FOR_LONG = "limits for long"
    REFUSES = "refuses"
    IS_MISCONFIGURED = "is misconfigured"


_ANSWERS: Mapping[Mode, Outcome] = {
    Mode.TAKES: Delivered({"id": "taken"}),
    Mode.FAILS: Retry("HTTP 500"),
    Mode.LOSES_ANSWERS: Retry("connection lost"),
    Mode.LIMITS: Retry("HTTP 429", None, True),
    Mode.LIMITS_FOR_LONG: Retry("HTTP 429", 30.0, True),
    Mode.REFUSES: Refused("HTTP 400"),
    Mode.IS_MISCONFIGURED: Misconfigured("HTTP 401"),
}


@dataclass
class ModelSink:
    """One sink, and what it was told."""

    name: str
    mode: Mode = Mode.TAKES
    deliveries: int = 0
    taken: Counter[str] = field(default_factory=Counter)
    """By key."""
    excuses: Counter[str] = field(default_factory=Counter)
    """By key: how often a crash, a pause or a lost answer allows one more copy."""
    told: dict[int, Told] = field(default_factory=dict)
    """The newest of each alert."""
    told_in: dict[int, str] = field(default_factory=dict)
    """The thread of that."""
    history: list[str] = field(default_factory=list)

    def send(self, message: Message, *, is_late: bool) -> Outcome:
        """A request arrives. ``is_late``: its sender was gone, or had lost its lease. Raises BreachError."""
        if self.mode in (Mode.TAKES, Mode.LOSES_ANSWERS):
            self._take(message, is_late)
        if self.mode is Mode.LOSES_ANSWERS:
            self.excuses[message.key] += 1
        return _ANSWERS[self.mode]

    def _take(self, message: Message, is_late: bool) -> None:
        self.deliveries += 1
        self.taken[message.key] += 1
        tells = told_by(message)
        said = ", ".join(f"{each.alert}{'+' if each.is_firing else '-'}v{each.version}" for each in tells)
        late = ", late" if is_late else ""
        self.history.append(f"{message.key[4:12]} [{said}] of {message.thread[:6]}{late}")
        if self.taken[message.key] > 1:
            if self.taken[message.key] > 1 + self.excuses[message.key]:
                raise BreachError(f"{self.name} got a copy that nothing excuses: {self.shown()}")
            return
        for each in tells:
            before = self.told.get(each.alert)
            if before is None or before.version <= each.version:
                self.told[each.alert] = each
                self.told_in[each.alert] = message.thread
            elif each.is_firing and before.is_firing:
                pass  # an earlier episode: it fires either way
            elif not each.is_firing and self.told_in[each.alert] != message.thread:
                pass  # it closes the incident of a group that the alert has left
            elif not is_late:
                raise BreachError(f"{self.name} was told of alert {each.alert} out of order: {self.shown()}")

    def shown(self) -> str:
        """What it was told last."""
        return "; ".join(self.history[-8:])


def told_by(message: Message) -> Sequence[Told]:
    """What a message says of alerts."""
    return [
        Told(int(alert["fingerprint"][-1]), alert["status"] == "firing", int(alert["annotations"]["version"]))
        for alert in (message.payload or {})["alerts"]
    ]
