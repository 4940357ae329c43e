"""Native histograms and samples written to a real Prometheus, in its remote-write protocol; promtool 2.42 cannot."""

from __future__ import annotations

import struct
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.stack.processes import Process, free_port, program


@dataclass(frozen=True)
class Native:
    """A native histogram of schema 0: bucket ``i`` holds what is above 2^(i-1) and no more than 2^i."""

    buckets: Mapping[int, int]
    """How many there are in each bucket."""

    def encoded(self, milliseconds: int) -> bytes:
        """As a protobuf message ``Histogram``."""
        spans, deltas, before, last = b"", b"", 0, -1
        for index, count in sorted(self.buckets.items()):
            gap = index if not spans else index - last - 1
            spans += _message(11, _varint(1, _signed(gap)) + _varint(2, 1))
            deltas += _number(_signed(count - before))
            before, last = count, index
        count = sum(self.buckets.values())
        return (
            _varint(1, count)
            + _double(3, float(count))
            + _varint(4, _signed(0))
            + _double(5, 1e-128)
            + _varint(6, 0)
            + spans
            + _message(12, deltas)
            + _varint(15, milliseconds)
        )


class Receiver(Process):
    """A Prometheus that takes what is written to it, native histograms included."""

    def __init__(self, folder: Path) -> None:
        config = folder / "prometheus.yml"
        config.write_text("{}\n")
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        flags = [
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--web.enable-remote-write-receiver",
            "--enable-feature=native-histograms",
            "--log.level=warn",
        ]
        command: list[str | Path] = [program("prometheus", "prometheus"), *flags]
        super().__init__("Prometheus", command, log=folder / "prometheus.log", ready_url=f"{self.url}/-/ready")

    def write(self, name: str, labels: Mapping[str, str], samples: Iterable[tuple[int, float | Native]]) -> None:
        """Add one series; times in seconds."""
        series = b""
        for key, value in sorted({"__name__": name, **labels}.items()):
            series += _message(1, _message(1, key.encode()) + _message(2, value.encode()))
        for at, sample in samples:
            if isinstance(sample, Native):
                series += _message(4, sample.encoded(at * 1000))
            else:
                series += _message(2, _double(1, sample) + _varint(2, at * 1000))
        request = urllib.request.Request(
            f"{self.url}/api/v1/write", _snappy(_message(1, series)), {"content-encoding": "snappy"}
        )
        with urllib.request.urlopen(request, timeout=10.0) as response:
            assert response.status == 204


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))


def _signed(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _varint(field: int, value: int) -> bytes:
    return _number(field << 3) + _number(value)


def _double(field: int, value: float) -> bytes:
    return _number(field << 3 | 1) + struct.pack("<d", value)


def _message(field: int, body: bytes) -> bytes:
    return _number(field << 3 | 2) + _number(len(body)) + body


def _snappy(body: bytes) -> bytes:
    """The block format, without compressing anything: plain literals."""
    found = _number(len(body))
    for start in range(0, len(body), 65_536):
        part = body[start : start + 65_536]
        found += bytes([61 << 2]) + struct.pack("<H", len(part) - 1) + part
    return found
