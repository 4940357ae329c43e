"""The write-ahead log of SQLite, looked at before SQLite opens it.

SQLite ends its recovery at the first frame whose checksum is wrong, without a word: right for what a power failure
leaves, which is one unfinished commit at most, for each is synced before the next begins. A frame that was damaged on
the disk looks the same, and takes all commits behind it with it, though they were acknowledged.
https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGICS = (0x377F0682, 0x377F0683)
"""Checksums over little-endian words, and over big-endian ones."""

MOST_PAGE_BYTES = 65536

_Sums = tuple[int, int]


@dataclass(frozen=True)
class Damage:
    """Where a log ends for SQLite, though commits follow."""

    commits: int
    """That cannot be read any more."""
    readable_bytes: int
    """What is in front of the damage, whole commits and perhaps a part of one."""


def damage_of(log: Path) -> Damage | None:
    """The damage of a log that nobody has open; None: whole, torn by a power failure at most, or not there."""
    try:
        with log.open("rb") as file:
            return _damage(file)
    except FileNotFoundError:
        return None


def _damage(file: BinaryIO) -> Damage | None:
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return None
    magic, _, page_size, _, *salts, first, second = _HEADER.unpack(head)
    is_big = magic == _MAGICS[1]
    if magic not in _MAGICS or _sums(head[:24], (0, 0), is_big=is_big) != (first, second):
        return None  # a log that was being begun anew: what it held is in the database
    sums: _Sums | None = (first, second)
    readable, commits = _HEADER.size, 0
    for frame_head, page in _frames(file, min(page_size, MOST_PAGE_BYTES)):
        _, size_after_commit, salt_1, salt_2, *expected = _FRAME.unpack(frame_head)
        is_of_this_log = [salt_1, salt_2] == salts
        if sums is not None:
            sums = _sums(page, _sums(frame_head[:8], sums, is_big=is_big), is_big=is_big)
            if is_of_this_log and list(sums) == expected:
                readable += _FRAME.size + len(page)
                continue
            sums = None
        commits += is_of_this_log and size_after_commit != 0
    # One may be what was being written when the power failed.
    return Damage(commits, readable) if commits > 1 else None


def _frames(file: BinaryIO, page_size: int) -> Iterator[tuple[bytes, bytes]]:
    while len(head := file.read(_FRAME.size)) == _FRAME.size and len(page := file.read(page_size)) == page_size:
        yield head, page


def _sums(data: bytes, before: _Sums, *, is_big: bool) -> _Sums:
    words = array("I", data)
    if is_big == (sys.byteorder == "little"):
        words.byteswap()
    first, second = before
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
