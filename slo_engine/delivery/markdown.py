"""Text that Markdown shows as it is: labels hold stars, brackets and ``<at>`` as often as words do."""

from __future__ import annotations

import re

from slo_engine.delivery.forms import Markup

_ANYWHERE = re.compile(r"[\\`*\[\]<>~|]")
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""One within a word, as in ``support_agent``, is no emphasis, and a backslash before it would only be in the way where
a program does not know it."""

_AT_THE_BEGINNING = re.compile(r"^(\s*)([#+=-]|\d+(?=[.)](?:\s|$)))", re.MULTILINE)
"""What makes a heading or an item of a list."""


def escaped(text: str) -> str:
    """Each letter of ``text`` as itself, in CommonMark and what is like it."""
    text = _ANYWHERE.sub(r"\\\g<0>", text)
    text = _UNDERSCORE.sub(r"\_", text)
    return _AT_THE_BEGINNING.sub(_spelled_out, text)


def _spelled_out(found: re.Match[str]) -> str:
    before, sign = found.groups()
    return f"{before}{sign}\\" if sign[0].isdigit() else f"{before}\\{sign}"


def address(url: str) -> str:
    """An address between the brackets of a link."""
    for letter in "()<>[]\\ ":
        url = url.replace(letter, f"%{ord(letter):02X}")
    return url


MARKDOWN = Markup(
    escape=escaped,
    bold=lambda text: f"**{text}**",
    link=lambda title, url: f"[{title}]({url})",
)
"""Without ``code``, within which a backslash is a backslash: what is escaped already would show it."""
