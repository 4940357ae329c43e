"""A small ruler with the contract of Mimir's and Cortex' ruler API, as a real HTTP server; no Mimir is needed.

It obeys https://grafana.com/docs/mimir/latest/references/http-api/#ruler (list, set, delete of rule groups, 202 when
accepted, application/yaml bodies with one group, X-Scope-OrgID for the tenant) and
https://cortexmetrics.io/docs/api/#ruler (the same below /api/v1/rules). What the pages leave open is as in Mimir's
pkg/ruler/api.go: 401 ``no org id``; 400 with the reasons for a group that Prometheus would refuse (here promtool says
so), or over the tenant's limit; 404 ``no rule groups found`` (Cortex) or ``group does not exist``; JSON
``{"status": "success"}``.

``python -m tests.rollout.ruler_server --port 9009`` keeps one running, to try `slo-engine rules push` on.
"""

from __future__ import annotations

import argparse
import base64
import json
import ssl
import subprocess
import tempfile
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

import yaml

Answer = tuple[int, Mapping[str, str], str]
"""Status, headers and body."""

NOT_FOUND: Answer = (404, {}, "404 page not found")
PATHS = {"mimir": "/prometheus/config/v1/rules", "cortex": "/api/v1/rules"}


@dataclass(frozen=True)
class Request:
    """One request that has come in; ``path`` is what follows the path of the API, decoded."""

    method: str
    tenant: str
    path: tuple[str, ...]


class RulerServer:
    """Runs while its block does. ``groups``: tenant -> namespace -> group name -> group."""

    def __init__(
        self,
        api: str = "mimir",
        *,
        token: str | None = None,
        user: str | None = None,
        most_rules: int = 100,
        port: int = 0,
    ) -> None:
        """``token``, ``user`` (user:password): what a request must carry. ``most_rules``: in one group."""
        self.groups: dict[str, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
        self.requests: list[Request] = []
        self.answers: deque[Answer] = deque()
        """What is said instead to the next requests."""
        self._api, self._most_rules = api, most_rules
        self._authorization = None
        if token:
            self._authorization = f"Bearer {token}"
        if user:
            self._authorization = f"Basic {base64.b64encode(user.encode()).decode()}"
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wrap(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    def names(self, tenant: str) -> dict[str, list[str]]:
        """The names of a tenant's groups by namespace, sorted."""
        return {namespace: sorted(groups) for namespace, groups in self.groups[tenant].items() if groups}

    def changes(self) -> list[str]:
        """The requests that change something, in their order, without the tenants."""
        return [f"{request.method} {'/'.join(request.path)}" for request in self.requests if request.method != "GET"]

    def answer(self, request: Request, authorization: str | None, body: bytes) -> Answer:
        """Status, headers and body for one request."""
        self.requests.append(request)
        if self.answers:
            return self.answers.popleft()
        if self._authorization not in (None, authorization):
            return 401, {}, "invalid authentication credentials"
        if not request.tenant:
            return 401, {}, "no org id"
        namespaces = self.groups[request.tenant]
        match request.method, request.path:
            case "GET", ():
                return self._listed(namespaces)
            case "POST", (namespace,):
                return self._set(namespaces[namespace], body)
            case "DELETE", (namespace, name):
                if namespaces[namespace].pop(name, None) is None:
                    return 404, {}, "group does not exist"
                return self._accepted()
        return NOT_FOUND

    def _listed(self, namespaces: Mapping[str, Mapping[str, Any]]) -> Answer:
        found = {namespace: list(groups.values()) for namespace, groups in namespaces.items() if groups}
        if not found and self._api == "cortex":
            return 404, {}, "no rule groups found\n"
        # Sorted: a ruler gives back what it has understood, not the bytes that it was sent.
        return 200, {"content-type": "application/yaml"}, yaml.safe_dump(found, sort_keys=True)

    def _set(self, groups: dict[str, Any], body: bytes) -> Answer:
        group = yaml.safe_load(body)
        if len(group["rules"]) > self._most_rules:
            limit = f"(limit: {self._most_rules} actual: {len(group['rules'])})"
            return 400, {}, f"per-user rules per rule group limit {limit} exceeded"
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump({"groups": [group]}, file)
            file.flush()
            done = subprocess.run(
                ["promtool", "check", "rules", file.name], capture_output=True, text=True, check=False, timeout=30
            )
        if done.returncode != 0:
            return 400, {}, done.stderr.replace(file.name, "")
        groups[group["name"]] = group
        return self._accepted()

    @staticmethod
    def _accepted() -> Answer:
        body = {"status": "success", "data": None, "errorType": "", "error": ""}
        return 202, {"content-type": "application/json"}, json.dumps(body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        ruler, prefix = self, PATHS[self._api]

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"] or 0))
                status, headers, text = NOT_FOUND
                if self.path == prefix or self.path.startswith(f"{prefix}/"):
                    path = tuple(unquote(part) for part in self.path.removeprefix(prefix).split("/")[1:])
                    request = Request(self.command, self.headers["x-scope-orgid"] or "", path)
                    status, headers, text = ruler.answer(request, self.headers["authorization"], body)
                content = text.encode()
                self.send_response(status)
                for name, value in {"content-length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def main() -> None:
    """Keep one running until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A small ruler with Mimir's API.")
    parser.add_argument("--port", type=int, default=9009)
    parser.add_argument("--api", choices=sorted(PATHS), default="mimir")
    arguments = parser.parse_args()
    with RulerServer(arguments.api, port=arguments.port) as server:
        print(server.address, flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()
