"""Prometheus' remote-write format, written by hand: a protobuf message in a snappy block of one literal.

Message (prompb/remote.proto, types.proto): WriteRequest{1: TimeSeries}, TimeSeries{1: Label, 2: Sample},
Label{1: name, 2: value}, Sample{1: double value, 2: int64 milliseconds}. Snappy's block format lets a block be one
uncompressed literal, so no compressor is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]
"""Milliseconds since 1970, ascending."""

Values = npt.NDArray[np.float64]

STALE = np.array([0x7FF0000000000002], dtype=np.uint64).view(np.float64)[0]
"""The NaN by which Prometheus says that a series has ended (model/value: StaleNaN)."""

_SIX_BYTES_FROM, _SIX_BYTES_TO = 1 << 35, 1 << 42
"""Times that take six bytes as a varint: 1971 to 2109. So each sample takes the same number of bytes."""


@dataclass(frozen=True)
class Series:
    """A stretch of one time series."""

    labels: Mapping[str, str]
    times: Times
    values: Values

    def between(self, start: int, end: int) -> Series:
        """The samples of start < t <= end."""
        first, last = np.searchsorted(self.times, (start, end), side="right")
        return Series(self.labels, self.times[first:last], self.values[first:last])


def write_request(series: Iterable[Series]) -> bytes:
    """The body of one remote-write request."""
    message = b"".join(_field(1, _labels(each.labels) + _samples(each)) for each in series)
    return _snappy(message)


def _labels(labels: Mapping[str, str]) -> bytes:
    return b"".join(_field(1, _field(1, name.encode()) + _field(2, labels[name].encode())) for name in sorted(labels))


def _samples(series: Series) -> bytes:
    times = series.times
    assert len(times) == 0 or (times[0] >= _SIX_BYTES_FROM and times[-1] < _SIX_BYTES_TO)
    found = np.empty((len(times), 18), dtype=np.uint8)
    found[:, 0:3] = (0x12, 16, 0x09)  # field 2 of the series: a sample of 16 bytes; its field 1: a double
    found[:, 3:11] = np.ascontiguousarray(series.values, dtype="<f8").view(np.uint8).reshape(-1, 8)
    found[:, 11] = 0x10  # its field 2: a varint
    for byte in range(6):
        found[:, 12 + byte] = (times >> (7 * byte)) & 0x7F | (0x80 if byte < 5 else 0)
    return found.tobytes()


def _field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))


def _snappy(block: bytes) -> bytes:
    # 0xFC: a literal whose length less one follows in four bytes.
    return _varint(len(block)) + b"\xfc" + (len(block) - 1).to_bytes(4, "little") + block
