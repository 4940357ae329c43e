"""Pictures as SVG, written by hand: axes, lines, bands, legends. They follow the reader's light or dark theme."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from zlib import crc32

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9")
"""Okabe and Ito's colours, which colour-blind readers can tell apart; yellow darkened for white paper."""

DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 4", "1 4")
"""So that lines differ without colour, too."""

_STYLE = """
svg { font: 12px system-ui, sans-serif; }
.paper { fill: #ffffff; } .ink { fill: #1f2328; } .pale { fill: #59636e; }
.grid { stroke: #d1d9e0; stroke-width: 1; } .band { fill: #f2b134; fill-opacity: 0.28; }
.line { fill: none; stroke-width: 2; } .mark { stroke: #59636e; stroke-dasharray: 5 4; stroke-width: 1.5; fill: none; }
@media (prefers-color-scheme: dark) {
  .paper { fill: #0d1117; } .ink { fill: #f0f6fc; } .pale { fill: #9198a1; }
  .grid { stroke: #3d444d; } .mark { stroke: #9198a1; }
}
"""


@dataclass(frozen=True)
class Axis:
    """Values from ``low`` to ``high`` along pixels from ``begin`` to ``end``."""

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value; what lies beyond the ends is at the ends."""
        inside = min(max(value, self.low), self.high)
        if self.logarithmic:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)


def picture(width: int, height: int, title: str, description: str, parts: Iterable[str]) -> str:
    """A whole SVG file. ``title`` and ``description`` are what a screen reader says."""
    inside = "\n".join(parts)
    # Of its own in a page with several pictures.
    name = f"{crc32(f'{title}{description}'.encode(errors='replace')):08x}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-labelledby="title-{name} desc-{name}">\n<title id="title-{name}">{escape(title)}</title>\n'
        f'<desc id="desc-{name}">{escape(description)}</desc>\n<style>{_STYLE}</style>\n'
        f'<rect class="paper" width="{width}" height="{height}"/>\n{inside}\n</svg>\n'
    )


def without_style(drawn: str) -> str:
    """A picture for a page that has the style in its own sheet, as its policy allows no other."""
    return drawn.replace(f"<style>{_STYLE}</style>\n", "", 1)


def text(x: float, y: float, content: str, *, kind: str = "ink", anchor: str = "start", size: int = 12) -> str:
    """One line of text, its base line at ``y``."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text class="{kind}" {place}>{escape(content)}</text>'


def straight(x1: float, y1: float, x2: float, y2: float, *, kind: str = "grid") -> str:
    """A line of the grid, or a mark."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def path(points: Sequence[tuple[float, float]], colour: str, dash: str = "") -> str:
    """A line through points."""
    steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline class="line" stroke="{colour}"{dashed} points="{steps}"/>'


def marked(points: Sequence[tuple[float, float]]) -> str:
    """A dashed line in the colour of remarks."""
    return f'<polyline class="mark" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def dot(x: float, y: float, colour: str, said: str) -> str:
    """A point, with what a pointer over it shows."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"><title>{escape(said)}</title></circle>'


def box(x: float, y: float, width: float, height: float, said: str, *, colour: str | None = None) -> str:
    """A rectangle: a band when it has no colour. At least so wide that it is seen."""
    paint = f'fill="{colour}"' if colour else 'class="band"'
    return (
        f'<rect {paint} x="{x:.1f}" y="{y:.1f}" width="{max(width, 2.5):.1f}" height="{height:.1f}">'
        f"<title>{escape(said)}</title></rect>"
    )
