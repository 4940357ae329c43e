"""What may leave the engine: texts and JSON without secrets and personal data.

Addresses of private networks stay. They name a machine of the operator, not a person, and ``instance="10.2.3.4:9100"``
is what an engineer on call looks for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Final

from slo_engine.scrub.scrubber import Scrubber

_PRIVATE: Final = tuple(
    ip_network(net)
    for net in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"),
        *("0.0.0.0/32", "::1/128", "fc00::/7", "fe80::/10"),
    )
)


_FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}")
"""Of an alert, or a span: its digits may look like anything."""

_OF_FINGERPRINTS: Final = frozenset({"fingerprint", "fingerprints"})
"""Keys under which a fingerprint of nothing but decimal digits is one. Elsewhere it may be the number of a card."""


LONGEST_REMEMBERED: Final = 500
"""Characters of a text that is not looked through a second time: in a storm most labels and annotations are those of
the alert before."""


def _is_of_a_person(kind: str, said: str) -> bool:
    if kind != "ip":
        return True
    try:
        address = ip_address(said)
    except ValueError:  # leading zeros, which some read as octal
        return True
    return not any(address in net for net in _PRIVATE)


_SCRUBBER: Final = Scrubber(wanted=_is_of_a_person)


def outgoing_text(text: str) -> str:
    """The text with ``[EMAIL]``, ``[SECRET]``, ... instead of what must not leave."""
    return _remembered(text) if len(text) <= LONGEST_REMEMBERED else _scrubbed(text)


def _scrubbed(text: str) -> str:
    if _FINGERPRINT.fullmatch(text) and not text.isdigit():
        return text
    return _SCRUBBER.scrub(text)


_remembered = lru_cache(4096)(_scrubbed)


def outgoing(data: Any) -> Any:
    """JSON with every text in it, keys included, as :func:`outgoing_text` lets it leave. What holds nothing of the kind
    comes back equal."""
    if isinstance(data, str):
        return outgoing_text(data)
    if isinstance(data, Mapping):
        found: dict[Any, Any] = {}
        for key, value in data.items():
            name = masked = outgoing_text(key) if isinstance(key, str) else key
            number = 1
            while name in found:  # two that are masked alike are still two
                number += 1
                name = f"{masked} {number}"
            found[name] = _fingerprints(value) if key in _OF_FINGERPRINTS else outgoing(value)
        return found
    if isinstance(data, list | tuple):
        return [outgoing(each) for each in data]
    return data


def _fingerprints(data: Any) -> Any:
    if isinstance(data, list | tuple):
        return [_fingerprints(each) for each in data]
    return data if isinstance(data, str) and _FINGERPRINT.fullmatch(data) else outgoing(data)
