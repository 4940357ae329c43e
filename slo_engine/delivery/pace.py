"""How much a sink is sent at once, and how fast: as much as it bears. Pure: the time is passed in."""

from __future__ import annotations

from dataclasses import dataclass, field

FIRST_LIMIT = 8.0
LONGEST_LIMIT = 64.0
"""Requests at once: less than the connections of a client, so that none waits for one."""

SLOWER = 3.0
"""A sink that takes so many times as long as it did alone works one request after the other: more at once only wait."""

BURST_SECONDS = 0.2
"""Of a sink that takes only so much in a time, as much is sent at once as fits into this."""

LONGEST_INTERVAL = 60.0
"""Between two requests, whatever a sink says: Teams, the slowest that is known, takes 1,800 a day. A sink that was
limited for hours is not left alone for days."""

SHORTEST_INTERVAL = 0.001
"""Below it, there is no limit."""

IDLE_SECONDS = 60.0
"""What passed before a pause of this length says nothing of how much a sink takes."""

EASIER = 0.9
"""By how much the time between two requests shrinks after a hundred that passed."""


@dataclass
class Pace:
    """Of one sink, in one engine. Times are seconds on any clock that does not go back."""

    limit: float = FIRST_LIMIT
    """Requests at once."""
    sending: int = 0
    interval: float = 0.0
    """Seconds between two requests; 0: no limit is known."""
    _next_at: float = 0.0
    _fastest: float | None = None
    _has_met_a_limit: bool = False
    _window_began: float | None = None
    _window_passed: int = 0
    _began: float | None = None
    _measured: float = 0.0
    """The interval by what has passed; a longer one is a guess, taken back as soon as something passes."""
    _passed: int = field(default=0)

    def room(self, now: float) -> int:
        """How many requests may begin now."""
        room = max(0, int(self.limit) - self.sending)
        if self.interval <= 0 or room == 0:
            return room
        if now < self._next_at:
            return 0
        burst = max(1, int(BURST_SECONDS / self.interval))
        return min(room, burst, 1 + int((now - self._next_at) / self.interval))

    def seconds_until_room(self, now: float) -> float | None:
        """How long until another may begin; None: when one has ended."""
        if int(self.limit) <= self.sending:
            return None
        return max(0.0, self._next_at - now) if self.interval > 0 else 0.0

    def begin(self, now: float) -> None:
        """A request begins."""
        self.sending += 1
        was_idle = self._began is not None and now - self._began > max(IDLE_SECONDS, 2 * self.interval)
        self._began = now
        if self._window_began is None or was_idle:
            self._window_began, self._window_passed = now, 0
        if self.interval > 0:
            self._next_at = max(self._next_at, now - BURST_SECONDS) + self.interval

    def end(self) -> None:
        """A request has ended, however."""
        self.sending -= 1

    def passed(self, seconds: float) -> None:
        """The sink took it, in so many seconds."""
        self._window_passed += 1
        self._passed += 1
        if self._passed % 100 == 0:
            self._measured *= EASIER
        if self.interval > self._measured:
            shorter = max(self.interval / 2, self._measured)
            self.interval = shorter if shorter > SHORTEST_INTERVAL else 0.0
        self._fastest = seconds if self._fastest is None else min(self._fastest, seconds)
        if seconds > max(SLOWER * self._fastest, 0.2):
            self._has_met_a_limit = True
            self.limit = max(1.0, self.limit - 1 / self.limit)
        else:
            # Twice as much in the time of one request, until there is a reason not to; then one more.
            self.limit = min(LONGEST_LIMIT, self.limit + (1 / self.limit if self._has_met_a_limit else 1.0))

    def failed(self) -> None:
        """The sink does not bear it, or is not there."""
        self._has_met_a_limit = True
        self.limit = max(1.0, self.limit / 2)

    def limited(self, now: float, wait: float) -> None:
        """The sink takes no more for ``wait`` seconds: it takes what has passed until now in the time until then."""
        self._has_met_a_limit = True
        if self._window_began is None:
            return  # it has said so already
        self.limit = max(1.0, self.limit / 2)
        span = now - self._window_began + wait
        if self._window_passed:
            self._measured = min(max(span / self._window_passed, self._measured), LONGEST_INTERVAL)
            longer = self._measured
        else:
            longer = max(2 * self.interval, wait)
        self.interval = min(max(longer, self.interval), LONGEST_INTERVAL)
        self._next_at = now + wait
        self._window_began = None
