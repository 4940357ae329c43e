"""Prometheus and Alertmanager as child processes, configured from the files that `deploy/` ships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.stack.processes import Process, free_port, program

DEPLOY = Path(__file__).parent.parent


class Prometheus(Process):
    """A Prometheus with a data folder of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        rules: Sequence[Path] = (),
        targets: Mapping[str, str] | None = None,
        alertmanager: str | None = None,
        scrape_interval: str = "5s",
    ) -> None:
        """``targets``: job -> host:port. ``folder`` may already hold a database, in ``data``."""
        folder.mkdir(parents=True, exist_ok=True)
        config = _shipped("prometheus/prometheus.yml")
        config["global"] = {"scrape_interval": scrape_interval, "evaluation_interval": scrape_interval}
        config["rule_files"] = [str(rule.resolve()) for rule in rules]
        alertmanagers = [{"static_configs": [{"targets": [alertmanager]}]}] if alertmanager else []
        config["alerting"] = {"alertmanagers": alertmanagers}
        config["scrape_configs"] = [
            {"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in (targets or {}).items()
        ]
        file = _written(folder / "prometheus.yml", config)
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        super().__init__(
            "Prometheus",
            [
                program("prometheus", "prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=90d",
                f"--web.listen-address={self.address}",
                "--web.enable-lifecycle",
                "--enable-feature=exemplar-storage",
                "--log.level=warn",
            ],
            log=folder / "prometheus.log",
            ready_url=f"{self.url}/-/ready",
        )


class Alertmanager(Process):
    """An Alertmanager that sends everything to one webhook."""

    def __init__(
        self,
        folder: Path,
        *,
        webhook: str,
        group_wait: str = "2s",
        group_interval: str = "10s",
        token: str | None = None,
    ) -> None:
        """``token``: what the webhook wants to be shown."""
        folder.mkdir(parents=True, exist_ok=True)
        config = _shipped("alertmanager/alertmanager.yml")
        config["route"] |= {"group_wait": group_wait, "group_interval": group_interval}
        target = config["receivers"][0]["webhook_configs"][0]
        target["url"] = webhook
        if token is not None:
            target["http_config"] = {"authorization": {"credentials": token}}
        file = _written(folder / "alertmanager.yml", config)
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        super().__init__(
            "Alertmanager",
            [
                program("prometheus-alertmanager", "prometheus-alertmanager"),
                f"--config.file={file}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={self.address}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
            log=folder / "alertmanager.log",
            ready_url=f"{self.url}/-/ready",
        )


def _shipped(name: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text())
    return config


def _written(file: Path, config: Mapping[str, Any]) -> Path:
    file.write_text(yaml.safe_dump(dict(config), sort_keys=False))
    return file
