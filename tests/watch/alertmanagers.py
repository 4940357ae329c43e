"""A real Alertmanager with a configuration of the test's, and a receiver that refuses what it is told to."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from deploy.stack.processes import Process, free_port, program


class Receiver:
    """Takes what Alertmanager posts to any path, or refuses it (400) where ``refuses`` says so."""

    def __init__(self, refuses: Callable[[Mapping[str, Any]], bool] = lambda _: False) -> None:
        self.taken: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []
        self.refuses = refuses
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                is_refused = ours.refuses(body)
                (ours.refused if is_refused else ours.taken).append(body)
                self.send_response(400 if is_refused else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class RealAlertmanager(Process):
    """Alertmanager with any configuration."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "alertmanager.yml"
        file.write_text(yaml.safe_dump(dict(config), sort_keys=False))
        self.url = f"http://127.0.0.1:{free_port()}"
        super().__init__(
            "Alertmanager",
            [
                program("prometheus-alertmanager", "prometheus-alertmanager"),
                f"--config.file={file}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
            log=folder / "alertmanager.log",
            ready_url=f"{self.url}/-/ready",
        )

    def tell(self, *alerts: Mapping[str, str], ends_in: float = 3600.0, began_ago: float = 0.0) -> None:
        """Tell it of alerts by their labels, as Prometheus does. ``ends_in``: seconds; below 0 they are resolved."""
        now = datetime.now(UTC)
        told = [
            {
                "labels": dict(labels),
                "annotations": {"summary": f"{labels['alertname']} happens"},
                "startsAt": (now - timedelta(seconds=began_ago)).isoformat(),
                "endsAt": (now + timedelta(seconds=ends_in)).isoformat(),
                "generatorURL": "http://prometheus/graph",
            }
            for labels in alerts
        ]
        self._post("/api/v2/alerts", told)

    def silence(self, **labels: str) -> None:
        """Silence what has these labels."""
        now = datetime.now(UTC)
        self._post(
            "/api/v2/silences",
            {
                "matchers": [{"name": name, "value": text, "isRegex": False} for name, text in labels.items()],
                "startsAt": now.isoformat(),
                "endsAt": (now + timedelta(hours=1)).isoformat(),
                "createdBy": "test",
                "comment": "test",
            },
        )

    def _post(self, path: str, data: Any) -> None:
        request = urllib.request.Request(
            self.url + path, data=json.dumps(data).encode(), headers={"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            assert response.status == 200


@contextmanager
def receiving(refuses: Callable[[Mapping[str, Any]], bool] = lambda _: False) -> Iterator[Receiver]:
    """A receiver that ends with the block."""
    receiver = Receiver(refuses)
    try:
        yield receiver
    finally:
        receiver.close()


def names(bodies: Sequence[Mapping[str, Any]]) -> set[str]:
    """The names of all alerts in these notifications."""
    return {alert["labels"]["alertname"] for body in bodies for alert in body["alerts"]}
