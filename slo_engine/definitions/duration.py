"""Durations as Prometheus writes them: ``30d``, ``1h30m``, ``500ms``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

_UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PATTERN = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?\Z", re.ASCII)
_LONGEST_MS = 2**63 // 1_000_000  # Prometheus counts nanoseconds in 64 bits: 292 years


@dataclass(frozen=True, order=True)
class Duration:
    """A length of time, exact to the millisecond. ``str()`` gives PromQL's spelling: ``Duration.parse("90m")`` is
    ``1h30m``, whole days stay days (``7d``, not ``1w``), as alerts and window labels show them."""

    milliseconds: int

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read ``1h30m``. Raises ValueError for anything else, zero included."""
        match = _PATTERN.match(text)
        amounts = [int(part or 0) for part in match.groups()] if match and len(text) < 40 else []
        milliseconds = sum(amount * unit for amount, unit in zip(amounts, _UNITS_MS.values(), strict=False))
        if not 0 < milliseconds < _LONGEST_MS:
            raise ValueError(f"{text!r} is not a duration")
        return cls(milliseconds)

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return self.milliseconds / 1000

    def __str__(self) -> str:
        return _spelled(self.milliseconds)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def validate(value: Any) -> Duration:
            if isinstance(value, Duration):
                return value
            try:
                return cls.parse(value)
            except (ValueError, TypeError):
                raise PydanticCustomError(
                    "duration", "is not a duration: write a number with its unit, such as 30d, 1h30m or 15s"
                ) from None

        return core_schema.no_info_plain_validator_function(validate, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        pattern = _PATTERN.pattern.replace("(?:", "(").removesuffix(r"\Z")
        return {"type": "string", "pattern": f"^(?=.*[1-9]){pattern}$", "examples": ["30d", "1h30m", "15s"]}


@lru_cache(maxsize=1024)
def _spelled(milliseconds: int) -> str:
    """Of few windows each SLO spells a hundred in its rules."""
    rest, text = milliseconds, ""
    for unit, size in list(_UNITS_MS.items())[1:]:
        amount, rest = divmod(rest, size)
        text += f"{amount}{unit}" if amount else ""
    return text or "0s"
