"""The ruler API of Mimir and Cortex: rule groups in namespaces, for each tenant.

https://grafana.com/docs/mimir/latest/references/http-api/#ruler
https://cortexmetrics.io/docs/api/#ruler
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import yaml

from slo_engine.connect import (
    Connection,
    Deadline,
    Verdict,
    explained,
    failure_of,
    retry_after,
    said_in,
    verdict_on,
)
from slo_engine.connect.client import ERRORS, Answer, client, fetch
from slo_engine.errors import SloEngineError

Api = Literal["mimir", "cortex"]

PATHS: Mapping[Api, str] = {"mimir": "/prometheus/config/v1/rules", "cortex": "/api/v1/rules"}
"""Where the ruler API lies below the address, with the prefixes that both have when nobody changes them."""

TENANT_HEADER = "X-Scope-OrgID"

FIRST_PAUSE = 0.5
"""Seconds before the first repetition, when the server names none; doubled each time."""

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""1,000 SLOs are about 10 MB; beyond this something else is answering."""


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
        connection: Connection,
        *,
        api: Api = "mimir",
        path: str | None = None,
        patience: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``connection``: its timeout is for one attempt; without the header X-Scope-OrgID, the ruler must know the
        tenant by itself. ``path``: of the API, where it is not that of ``PATHS``. ``patience``: seconds for all
        attempts of one request, their pauses included. Raises SloEngineError for certificates that cannot be used."""
        self.name = f"the ruler at {connection.address}"
        tenant = connection.header(TENANT_HEADER)
        if tenant is not None:
            self.name += f", tenant {tenant}"
        self._connection = connection
        self._url = connection.url.rstrip("/") + (path or PATHS[api])
        self._patience, self._sleep = patience, sleep
        self._is_reached = False
        self._deadline = Deadline("ruler")
        self._client = client(connection)

    def close(self) -> None:
        """Close the connections; the door is not used afterwards."""
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
                f"{self.name} answered with something that is not a list of rule groups: is this address a login page?",
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
                answer = self._attempt(method, path, content)
            except ERRORS as error:
                found = failure_of(error, self._connection)
                failure = RulerError(found.of(self.name))
                # An address that was wrong a moment ago stays wrong.
                if not self._is_reached and found.reason != "timeout":
                    raise failure from None
            else:
                self._is_reached = True
                verdict = verdict_on(answer.status)
                if verdict is Verdict.DELIVERED or (answer.status == 404 and method != "POST"):
                    return answer.status, answer.body
                failure = self._refused(what, answer, verdict)
                if verdict is not Verdict.RETRY:
                    raise failure
                asked = retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
                wait = pause if asked is None else asked
            if time.monotonic() + wait > deadline:
                raise failure
            self._sleep(wait)
            pause *= 2

    def _attempt(self, method: str, path: str, content: bytes | None) -> Answer:
        headers = {"content-type": "application/yaml"} if content is not None else {}
        request = self._client.build_request(method, self._url + path, content=content, headers=headers)
        seconds = self._connection.timeout
        attempt = partial(fetch, request, self._client, seconds=seconds, max_bytes=MAX_RESPONSE_BYTES)
        return self._deadline.run(attempt, seconds)

    def _refused(self, what: str, answer: Answer, verdict: Verdict) -> RulerError:
        said = said_in(answer.body, self._connection)
        reason = explained(answer.status, self._connection, said=said)
        if answer.status == 401 and "no org id" in said:
            return RulerError(f"{self.name} wants a tenant ({reason.partition(':')[0]}): set --tenant")
        if verdict in (Verdict.AUTH, Verdict.REDIRECT):
            return RulerError(f"{self.name} did not {what}: {reason}")
        if verdict is Verdict.RETRY:
            return RulerError(f"{self.name} did not {what}: {reason}: try again later")
        advice = "raise the limit of the tenant, or divide its SLOs" if "limit" in said else "see what it says"
        return RulerError(f"{self.name} did not {what}: {reason}: {advice}", is_final=False)
