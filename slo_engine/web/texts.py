"""Texts from elsewhere on a page: labels, annotations, messages of failed calls. They may be of any length, and hold
characters that hide or turn what follows."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from typing import Any

from markupsafe import Markup, escape

from slo_engine import amounts

LONGEST_TITLE = 1000
"""Characters that are shown when the pointer rests on a text that was cut. The API has all of it."""

_REPLACED = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Unicode categories: control characters, those of format (overrides of direction are), separators of lines."""

_KEPT = frozenset("\n\t\u200c\u200d")
"""Words and emoji are written with the joiners."""


def visible(value: Any) -> Any:
    """A text with U+FFFD for each character that would hide or turn others; anything else as it is."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(
        letter if letter in _KEPT or unicodedata.category(letter) not in _REPLACED else "\ufffd" for letter in value
    )


def cut(text: str, length: int = 200) -> Markup:
    """No more than the beginning of a text, and apart from the direction in which its neighbours are written. What is
    left out is in its title."""
    text = visible(text)
    if len(text) <= length:
        # Not by Markup.format, which takes ten times as long: a page may have thousands of them.
        return Markup(f"<bdi>{escape(text)}</bdi>")  # noqa: S704
    whole = text if len(text) <= LONGEST_TITLE else f"{text[:LONGEST_TITLE]}…"
    return Markup('<bdi title="{}">{}…</bdi>').format(whole, text[:length])


def lasting(seconds: float) -> str:
    """``2d 4h``"""
    return amounts.about(timedelta(seconds=seconds))
