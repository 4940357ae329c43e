"""Which lines of a stack trace are its message: of Python, Java, .NET, Node, wherever it was cut off. Pure.

The exception of a traceback of Python stands behind its frames, that of other languages before them. Of exceptions
with a cause the outermost says what was tried, and the innermost what went wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final


def without_frames(text: str) -> str:
    """From the message of a stack trace on; empty if all that is left of it are frames. A text that is none comes
    back as it is. Colours must have been taken out."""
    lines = text.splitlines()
    mark = _quotation(lines)
    if mark:
        lines = [line.removeprefix(">").removeprefix(" ") for line in lines]
    if _is_of_python("\n".join(lines) if mark else text, lines):
        said = _of_group(lines) if any(map(_OPENS_MEMBER.fullmatch, lines)) else _last_exception(lines)
    else:
        said = _with_cause(_without_place(lines))
    return f"{mark}{said}" if said else ""


def _quotation(lines: Sequence[str]) -> str:
    return "> " if len(lines) > 1 and all(line.startswith(">") for line in lines[1:] if line) else ""


# Python.

_TRACEBACK: Final = "Traceback (most recent call last)"
_GROUP: Final = "Exception Group Traceback"
_FRAME: Final = re.compile(r"^[ \t|]*(?:File \")?[^\"\n]{0,300}\", line \d+", re.MULTILINE)
"""One that may have been cut at its start."""

_MARKERS: Final = re.compile(r"\s*[~^][~^ ]*")
_AT_MARGIN: Final = re.compile(
    r"File \S.{0,300}(?:, line \d|:\d)|\S{0,300}\", line \d|Cell In ?\[|-+> ?\d|<ipython-input-|[~/.]\S{0,300} in \S"
    r"|\.\.\.|[\u2500-\u257f]|-{5}"
)
"""Of the frames of IPython, in the boxes of rich, or where a text was cut."""

_CHAINED: Final = re.compile(r"During handling of the above|The above exception was")
_NAMED: Final = re.compile(r"(?:\w{1,60}\.){0,12}(?:[A-Z]\w{0,80}|\w{1,80}Error)(?:$|[:(])")
_FAILURE: Final = re.compile(
    r"(?:\w{1,60}\.){0,12}\w{0,80}(?:Error|Exception|Warning|Timeout|Expired|Exit|Interrupt)(?:$|:)"
)


def _is_of_python(text: str, lines: Sequence[str]) -> bool:
    if _TRACEBACK in text or (", line " in text and _FRAME.search(text)):
        return True
    # Only source is left of its frames.
    return _begins_with_source(lines) and any(map(_FAILURE.match, lines)) and not _PLACE.fullmatch(lines[0].strip())


def _begins_with_source(lines: Sequence[str]) -> bool:
    return bool(lines) and (lines[0][:1].isspace() or any(map(_MARKERS.fullmatch, lines[:2])))


def _last_exception(lines: Sequence[str]) -> str:
    """From the line on that names the last exception, or the one before if that was cut off; else what stands before
    the first frame."""
    named: list[int] = []
    lead = ""
    is_in_frames = _begins_with_source(lines)
    marked = next((at for at, line in enumerate(lines[:2]) if _MARKERS.fullmatch(line)), -1)
    for at, line in enumerate(lines):
        if at <= marked:
            continue
        is_at_margin = not named and _AT_MARGIN.match(line) is not None
        if _TRACEBACK in line or is_at_margin or (is_in_frames and _AT_MARGIN.match(line)) or _FRAME.match(line):
            if not named and not lead and not is_in_frames and not is_at_margin:
                lead = line.partition(_TRACEBACK)[0].strip(" :(") if _TRACEBACK in line else ""
            is_in_frames = True
        elif not line or line.isspace() or _CHAINED.match(line) or _TRACEBACK.startswith(line):
            continue
        elif is_in_frames and not line[0].isspace():
            named.append(at)
            is_in_frames = False
        elif not is_in_frames and not named and not lead:
            lead = line
    if named and not (is_in_frames and _NAMED.match(lead)):
        return "\n".join(lines[named[-1] :])
    return lead


_MARGIN: Final = re.compile(r" *(?:\||\+ (?=Exception Group)) ?")
_OPENS_MEMBER: Final = re.compile(r" *\+(?:-\+)?-{3,} (?:\d+|\.\.\.) -{3,}")
_CLOSES_GROUP: Final = re.compile(r" *\+-{3,}")
_BEGINS_GROUP: Final = re.compile(rf" *\+ {_GROUP}")
_CANCELLED: Final = re.compile(r"(?:\w+\.)*(?:CancelledError|Cancelled|GeneratorExit)\b")


def _of_group(lines: Sequence[str]) -> str:
    """The group's own line, and that of the first member, in groups within as well, which was not merely cancelled.
    What was raised while the group was handled comes before all that."""
    begins = max((at for at, line in enumerate(lines) if _BEGINS_GROUP.match(line)), default=0)
    parts: list[list[str]] = [[]]
    groups = {0}
    for line in lines[begins:]:
        if _OPENS_MEMBER.fullmatch(line):
            if "+-+" in line:
                groups.add(len(parts) - 1)
            parts.append([])
        elif _CLOSES_GROUP.fullmatch(line):
            parts.append([])
        else:
            parts[-1].append(_MARGIN.sub("", line, count=1))
    after = parts[-1]
    if len(parts) > 1 and any(_TRACEBACK in line for line in after) and (last := _last_exception(after)):
        return last
    own, *members = (_member(part) for part in parts)
    leaves = [said for at, said in enumerate(members, 1) if said and at not in groups]
    failed = next((said for said in leaves if not _CANCELLED.match(said)), "".join(leaves[:1]))
    return ": ".join(filter(None, (own.partition("\n")[0], failed)))


def _member(lines: Sequence[str]) -> str:
    """A member that was never raised has no traceback: its exception is all there is."""
    if any(_TRACEBACK in line or _FRAME.match(line) for line in lines):
        return _last_exception(lines)
    return "\n".join(lines).strip()


# Other languages: the message comes first, and its causes behind the frames.

_PLACE: Final = re.compile(r"(?:file://|node:|[A-Za-z]:\\|[/.~]|\w+/)\S{0,300}:\d+(?::\d+)?")
_CAUSE: Final = re.compile(
    r"Caused by: (?P<java>\S.*)"
    r"|\s*(?:\[cause\]: |cause: (?=\w{0,80}Error\b)|\[errors\]: \[)(?P<node>.*)"
    r"| ---> (?P<net>[A-Za-z_].*)"
)
_CAUSES_OF_RUST: Final = re.compile(r"Caused by:\s*")
_NUMBERED: Final = re.compile(r"\s+(?:\d+: )?(\S.*)")


def _without_place(lines: Sequence[str]) -> Sequence[str]:
    """Node prints before the message where it was thrown: the place, its source, and a mark below it."""
    if not lines or not _PLACE.fullmatch(lines[0].strip()):
        return lines
    below = next((at for at, line in enumerate(lines) if _MARKERS.fullmatch(line)), 0)
    message = next((at for at in range(below + 1, len(lines)) if lines[at].strip()), 0)
    return lines[message:]


def _with_cause(lines: Sequence[str]) -> str:
    outer = next((line.strip() for line in lines if line.strip()), "")
    cause = ""
    for at, line in enumerate(lines[1:], 1):
        if (found := _CAUSE.match(line)) is not None:
            below = lines[at + 1 : at + 2] if "[errors]" in line else []  # of several: the first
            cause = found["java"] or found["net"] or "".join(below) or found["node"]
        elif _CAUSES_OF_RUST.fullmatch(line):
            for below in lines[at + 1 :]:
                if (numbered := _NUMBERED.fullmatch(below)) is None:
                    break
                cause = numbered[1]
    cause = cause.strip().removesuffix("{").rstrip(" :")
    if not cause:
        return "\n".join(lines)
    outer = "" if outer.startswith("at ") else outer.removesuffix("{").rstrip(" :")
    if not outer:  # cut at its start
        return cause
    return outer if cause in outer else f"{outer}: {cause}"
