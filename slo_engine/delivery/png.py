"""SVG -> PNG, for sinks that show no SVG."""

from __future__ import annotations

import logging
from functools import cache

logger = logging.getLogger(__name__)

ZOOM = 2.0
"""For screens with twice as many pixels as a picture has."""

FAMILIES = (
    "DejaVu Sans",
    "Liberation Sans",
    "Noto Sans",
    "Arial",
    "Helvetica",
    "Roboto",
    "Open Sans",
    "Ubuntu",
    "Cantarell",
    "FreeSans",
    "Segoe UI",
)
"""resvg takes Arial for ``sans-serif`` and draws no text where that is missing, though the machine has other fonts."""


def png_of(svg: str) -> bytes | None:
    """The picture; None on a machine without fonts, where it would have no words, and for what is no SVG."""
    family = _family()
    if family is None:
        return None
    from resvg_py import svg_to_bytes

    try:
        return svg_to_bytes(svg_string=svg, zoom=ZOOM, font_family=family, sans_serif_family=family)
    except ValueError as error:
        logger.warning("a picture could not be drawn: %s", error)
        return None


@cache
def _family() -> str | None:
    found = next((family for family in FAMILIES if _is_there(family)), None)
    if found is None:
        logger.warning("this machine has no fonts, so mails come without pictures: install fonts-dejavu-core")
    return found


def _is_there(family: str) -> bool:
    # Commands that only read the settings do not pay for it.
    from resvg_py import svg_to_bytes

    def drawn(word: str) -> bytes:
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><text y="15">{word}</text></svg>'
        return svg_to_bytes(svg_string=svg, font_family=family, sans_serif_family=family)

    return drawn("A") != drawn("")
