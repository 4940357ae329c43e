"""Who may post: whoever shows a secret of the door it comes to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

Header = tuple[bytes, bytes]


class Credentials:
    """The secrets that open a door, each of them valid; without any it is open to everybody who reaches the port."""

    def __init__(self, *, tokens: Iterable[str] = (), users: Iterable[tuple[str, str]] = (), closed: bool = False):
        """``tokens``: for ``Bearer``; ``users``: pairs of user and password, for ``Basic``; ``closed``: opens to
        nobody, whatever it shows."""
        shown = [_bearer(token.encode()) for token in tokens]
        shown += [_basic(f"{user}:{password}".encode()) for user, password in users]
        # Digests are all of one length, so that comparing them tells nothing of the length of a secret.
        self._digests = tuple(hashlib.sha256(each).digest() for each in shown)
        self.is_open = not self._digests and not closed

    def open_to(self, headers: Iterable[Header]) -> bool:
        """Whether a request with these headers (names in small letters) may come in. Takes as long for a secret that is
        nearly right, and for a user that does not exist, as for any other."""
        if self.is_open:
            return True
        found = [value for name, value in headers if name == b"authorization"]
        digest = hashlib.sha256(_shown(found[0]) if len(found) == 1 else b"").digest()
        is_known = False
        for each in self._digests:
            is_known |= hmac.compare_digest(digest, each)
        return is_known


@dataclass(frozen=True)
class Doors:
    """The credentials of ``/webhooks/alertmanager``, and those of each named source."""

    unnamed: Credentials = field(default_factory=Credentials)
    named: Mapping[str, Credentials] = field(default_factory=dict)

    @classmethod
    def of_token(cls, token: str | None) -> Self:
        """One door, opened by one token, or open."""
        return cls(Credentials(tokens=[token] if token is not None else []))


def is_from_a_page(headers: Iterable[Header]) -> bool:
    """Whether a POST comes from a page that somebody has open in a browser, as browsers say: any page of the internet
    can have them post to an engine that trusts its network."""
    return any(
        name == b"origin" or (name == b"sec-fetch-site" and value not in (b"same-origin", b"none"))
        for name, value in headers
    )


def _bearer(token: bytes) -> bytes:
    return b"bearer " + token


def _basic(user_and_password: bytes) -> bytes:
    return b"basic " + user_and_password


def _shown(header: bytes) -> bytes:
    """What a header shows, in the form that secrets are kept in; empty for what is neither of the two schemes."""
    scheme, _, rest = header.partition(b" ")
    rest = rest.strip()
    match scheme.lower():
        case b"bearer":
            return _bearer(rest)
        case b"basic":
            try:
                return _basic(base64.b64decode(rest, validate=True))
            except binascii.Error:
                return b""
        case _:
            return b""
