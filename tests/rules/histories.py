"""Counters and gauges over time, in promtool's notation."""

from __future__ import annotations


def counter(*stretches: tuple[int, float], start: float = 0) -> str:
    """A counter that is ``start`` at time 0 and then grows, for so many scrapes, by so much a scrape:
    ``counter((60, 10), (5, 0))``."""
    parts, value = [f"{start:.12g}"], start
    for scrapes, growth in stretches:
        parts.append(f"{value + growth:.12g}+{growth:.12g}x{scrapes - 1}")
        value += scrapes * growth
    return " ".join(parts)


def late(scrapes: int, history: str) -> str:
    """A series that does not exist for so many scrapes, from time 0 on, and then has this history."""
    return f"_x{scrapes} {history}"


def steady(value: float, scrapes: int) -> str:
    """A gauge that stays as it is."""
    return f"{value:.12g}x{scrapes}"
