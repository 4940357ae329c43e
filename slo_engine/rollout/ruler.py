"""The ruler API of Mimir and Cortex: rule groups in namespaces, for each tenant.

https://grafana.com/docs/mimir/latest/references/http-api/#ruler
https://cortexmetrics.io/docs/api/#ruler
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import httpx
import yaml

from slo_engine import __version__
from slo_engine.errors import SloEngineError

Api = Literal["mimir", "cortex"]

PATHS: Mapping[Api, str] = {"mimir": "/prometheus/config/v1/rules", "cortex": "/api/v1/rules"}
"""Where the ruler API lies below the address, with the prefixes that both have when nobody changes them."""

RETRYABLE = frozenset({408, 425, 429})
"""4xx answers that are about the moment and not about the request; 5xx are retried too."""

FIRST_PAUSE = 0.5
"""Seconds before the first repetition, when the server names none; doubled each time."""

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""1,000 SLOs are about 10 MB; beyond this something else is answering."""

MAX_REASON = 300
"""Characters of what the ruler says: it quotes expressions."""


class RulerError(SloEngineError):
    """A request that the ruler did not take, or that did not reach it. ``is_final``: others will fare no better; where
    it is not, the ruler refuses this one group."""

    def __init__(self, message: str, *, is_final: bool = True) -> None:
        self.is_final = is_final
        super().__init__(message)


class Ruler:
    """The door to the rules of one tenant."""

    def __init__(
        self,
        address: str,
        *,
        api: Api = "mimir",
        path: str | None = None,
        tenant: str | None = None,
        token: str | None = None,
        user: tuple[str, str] | None = None,
        timeout: float = 10.0,
        patience: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``path``: of the API, where it is not that of ``PATHS``. ``tenant``: for X-Scope-OrgID; without one, the
        ruler must know the tenant by itself. ``token`` or ``user`` (name, password): at most one of them. ``timeout``:
        seconds for one attempt; ``patience``: for all attempts of one request, their pauses included."""
        parts = urlsplit(address)
        self.name = f"the ruler at {parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        if tenant is not None:
            self.name += f", tenant {tenant}"
        self._url = address.rstrip("/") + (path or PATHS[api])
        self._timeout, self._patience, self._sleep = timeout, patience, sleep
        self._is_reached = False
        self._secrets = [secret for secret in (token, user[1] if user else None) if secret]
        headers = {"user-agent": f"slo-engine/{__version__}"}
        if tenant is not None:
            headers["x-scope-orgid"] = tenant
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        self._client = httpx.Client(
            headers=headers, auth=user, timeout=timeout, trust_env=False, follow_redirects=False
        )

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def groups(self) -> Mapping[str, list[Any]]:
        """The rule groups of the tenant, by namespace, as the ruler has them. Raises RulerError."""
        status, body = self._request("GET", "", "list the rule groups")
        if status == 404:  # Cortex, and Mimir before 2.1, for a tenant without any rule
            if b"no rule groups found" not in body:
                raise RulerError(
                    f"{self.name} knows no ruler API at {urlsplit(self._url).path} (HTTP 404): check the address and "
                    "--api, and that the API is enabled (-ruler.enable-api, in Cortex -experimental.ruler.enable-api)",
                )
            return {}
        try:
            data = yaml.load(body, Loader=yaml.CSafeLoader) or {}
        except (yaml.YAMLError, RecursionError, ValueError):
            data = None
        if not isinstance(data, dict) or not all(isinstance(groups, list) for groups in data.values()):
            raise RulerError(
                f"{self.name} answered with something that is no list of rule groups: is this address a login page?",
            )
        return data

    def put(self, namespace: str, group: str, text: str) -> None:
        """Create or replace one group. ``text``: its YAML. Raises RulerError."""
        self._request("POST", f"/{quote(namespace, safe='')}", f"take the group {group}", text.encode())

    def delete(self, namespace: str, group: str) -> None:
        """Remove one group; one that is gone already is fine. Raises RulerError."""
        path = f"/{quote(namespace, safe='')}/{quote(group, safe='')}"
        self._request("DELETE", path, f"delete the group {group}")

    def _request(self, method: str, path: str, what: str, content: bytes | None = None) -> tuple[int, bytes]:
        """The status, 2xx or 404 where that is an answer, and the body; repeated while that may help."""
        deadline = time.monotonic() + self._patience
        pause = FIRST_PAUSE
        while True:
            wait = pause
            try:
                response, body = self._attempt(method, path, content)
            except (httpx.TimeoutException, _SlowError):
                failure = RulerError(f"{self.name} did not {what} within {self._timeout:g} s: try again later")
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                reason = str(error) or type(error).__name__
                failure = RulerError(f"{self.name} cannot be reached: {reason}: check the address")
                if not self._is_reached:  # an address that was wrong a moment ago stays wrong
                    raise failure from None
            else:
                self._is_reached = True
                status = response.status_code
                if response.is_success or (status == 404 and method != "POST"):
                    return status, body
                failure = self._refused(what, status, body)
                if status < 500 and status not in RETRYABLE:
                    raise failure
                asked = _seconds(response.headers.get("retry-after"))
                wait = pause if asked is None else asked
            if time.monotonic() + wait > deadline:
                raise failure
            self._sleep(wait)
            pause *= 2

    def _attempt(self, method: str, path: str, content: bytes | None) -> tuple[httpx.Response, bytes]:
        headers = {"content-type": "application/yaml"} if content is not None else {}
        deadline = time.monotonic() + self._timeout
        body = bytearray()
        with self._client.stream(method, self._url + path, content=content, headers=headers) as response:
            for chunk in response.iter_bytes():
                body += chunk
                # httpx' own timeout counts from byte to byte.
                if time.monotonic() > deadline or len(body) > MAX_RESPONSE_BYTES:
                    raise _SlowError
        return response, bytes(body)

    def _refused(self, what: str, status: int, body: bytes) -> RulerError:
        said = " ".join(body.decode(errors="replace").split())[:MAX_REASON]
        for secret in self._secrets:
            said = said.replace(secret, "***")  # a proxy may show what it was sent
        said = f": {said}" if said else ""
        if status == 401 and "no org id" in said:
            return RulerError(f"{self.name} wants a tenant (HTTP 401{said}): name one with --tenant")
        if status in (401, 403):
            return RulerError(
                f"{self.name} refuses our credentials (HTTP {status}{said}): check the token or the user, and whether "
                "they may change rules",
            )
        if 300 <= status < 400:
            return RulerError(f"{self.name} redirects (HTTP {status}): give its final address")
        if status == 429 or status >= 500:
            return RulerError(f"{self.name} did not {what} (HTTP {status}{said}): try again later")
        advice = "raise the limit of the tenant, or divide its SLOs" if "limit" in said else "see what it says"
        return RulerError(f"{self.name} did not {what} (HTTP {status}{said}): {advice}", is_final=False)


class _SlowError(Exception):
    """The response is still coming in when its time is up."""


def _seconds(value: str | None) -> float | None:
    """Seconds, from either form of Retry-After; None when it is missing or makes no sense."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
