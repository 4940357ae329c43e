"""Two real Alertmanagers in a cluster, two engines, one PostgreSQL: incidents under kills and partitions.
``python -m tests.fault.cluster --seed 1``."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from deploy.stack.processes import Process, free_port, program
from tests.fault.cables import Balancer, GossipRelay
from tests.fault.checker import Verdict, check
from tests.fault.engines import READY_SECONDS, Engines
from tests.fault.history import History, rfc3339
from tests.fault.loop import Loop
from tests.fault.nemesis import is_ready
from tests.fault.sinks import FakeSink
from tests.postgres import Postgres
from tests.waiting import wait_for

POST_SECONDS = 1.0
"""Between two times that Prometheus tells Alertmanager of an alert."""

RESENT_SECONDS = 60.0
"""So long Prometheus says that an alert is over; it does so for 15 minutes."""

SETTLE_SECONDS = 150.0


@dataclass(frozen=True)
class Incident:
    """Alerts of one group that fire from a time to a time, in seconds after the beginning."""

    name: str
    begins: float
    ends: float
    instances: int

    @property
    def group(self) -> str:
        """The key that Alertmanager gives it."""
        return f'{{}}:{{alertname="{self.name}"}}'


class AlertmanagerMember:
    """One Alertmanager of the cluster, which can be killed and started again on its data."""

    def __init__(self, folder: Path, name: str, webhook: str, gossip: int) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.gossip = gossip
        self.port = free_port()
        self.advertised = 0
        self.peer = 0
        self._process: Process | None = None
        config = {
            "route": {
                "receiver": "slo-engine",
                "group_by": ["alertname"],
                "group_wait": "1s",
                "group_interval": "5s",
                "repeat_interval": "4h",
            },
            "receivers": [
                {"name": "slo-engine", "webhook_configs": [{"url": webhook, "send_resolved": True}]},
            ],
        }
        (self.folder / "alertmanager.yml").write_text(yaml.safe_dump(config))

    def start(self, *, wait: bool = True) -> None:
        """Start it."""
        self._process = Process(
            self.name,
            [
                program("prometheus-alertmanager", "prometheus-alertmanager"),
                f"--config.file={self.folder / 'alertmanager.yml'}",
                f"--storage.path={self.folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                f"--cluster.listen-address=127.0.0.1:{self.gossip}",
                f"--cluster.advertise-address=127.0.0.1:{self.advertised}",
                f"--cluster.peer=127.0.0.1:{self.peer}",
                "--cluster.peer-timeout=2s",
                "--cluster.settle-timeout=5s",
                "--cluster.pushpull-interval=5s",
                "--cluster.reconnect-interval=1s",
                "--cluster.probe-interval=500ms",
                "--log.level=warn",
            ],
            log=self.folder / "log",
            ready_url=f"http://127.0.0.1:{self.port}/-/ready",
        )
        if wait:
            self._process.wait_until_ready()

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """SIGTERM."""
        if self._process is not None:
            self._process.stop()

    def tell(self, alerts: list[dict[str, object]]) -> None:
        """As Prometheus does: what cannot be told now is told the next time."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v2/alerts",
            data=json.dumps(alerts).encode(),
            headers={"content-type": "application/json"},
        )
        with suppress(OSError):
            urllib.request.urlopen(request, timeout=1.0).close()


@dataclass
class ClusterReport:
    """What came of it."""

    seed: int
    verdict: Verdict
    delivered: int
    ended: int
    faults: list[str]
    violations: list[str]


def incidents_by_chance(number: int, seconds: float, chance: random.Random) -> list[Incident]:
    """Each lasts long enough for Alertmanager to notify of it, whoever is dead meanwhile."""
    return [
        Incident(
            f"Incident{index}",
            begins := chance.uniform(0.0, seconds),
            begins + chance.uniform(30.0, 60.0),
            chance.randint(1, 3),
        )
        for index in range(number)
    ]


def run(
    seed: int, *, number: int = 50, seconds: float = 120.0, say: Callable[[str], None] = lambda _: None
) -> ClusterReport:
    """``seconds``: in which the incidents begin."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slo-engine-cluster-")))
        return _Run(folder, stack, seed, number, seconds, say).run()


class _Run:
    def __init__(
        self, folder: Path, stack: ExitStack, seed: int, number: int, seconds: float, say: Callable[[str], None]
    ) -> None:
        self._seed = seed
        self._say = say
        self._chance = random.Random(seed)
        self._incidents = incidents_by_chance(number, seconds, self._chance)
        self._history = History()
        loop = stack.enter_context(Loop())
        self._sink = FakeSink("pager", loop, self._history)
        self._postgres = stack.enter_context(Postgres())
        self._engines = stack.enter_context(
            Engines(folder, self._history, [self._sink], store=self._postgres.new_database(), replicas=2)
        )
        self._balancers = [Balancer(f"am-{index}", loop, self._history, self._engines.webhooks) for index in range(2)]
        self._members = [
            AlertmanagerMember(folder, f"am-{index}", balancer.webhook, free_port())
            for index, balancer in enumerate(self._balancers)
        ]
        self._relays = [GossipRelay(loop, member.gossip) for member in self._members]
        for index, member in enumerate(self._members):
            member.advertised = self._relays[index].port
            member.peer = self._relays[1 - index].port
            stack.callback(member.stop)
            member.start(wait=False)
        self._faults: list[str] = []
        self._mends: list[tuple[float, Callable[[], object]]] = []
        self._began = 0.0

    def run(self) -> ClusterReport:
        time.sleep(8.0)  # the members find each other
        self._began = time.time()
        last = max(each.ends for each in self._incidents)
        next_fault, next_post = 5.0, 0.0
        while (now := time.time() - self._began) < last + 10.0:
            for mend in [each for each in self._mends if each[0] <= now]:
                self._mends.remove(mend)
                mend[1]()
            for engine in self._engines.all:
                engine.supervise()
            if now >= next_post:
                next_post = now + POST_SECONDS
                self._tell(now)
            if now >= next_fault and now < last:
                next_fault = now + self._chance.uniform(4.0, 9.0)
                self._break(now)
            time.sleep(0.1)
        for _, mend_it in self._mends:
            mend_it()
        for engine in self._engines.all:
            wait_for(f"{engine.name} to be ready", partial(is_ready, engine), within=READY_SECONDS)
        self._settle(last)
        verdict = check(self._history, ["pager"])
        return self._report(verdict)

    def _settle(self, last: float) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            self._tell(min(time.time() - self._began, last + RESENT_SECONDS / 2))
            if not check(self._history, ["pager"]).lost and len(self._groups("resolved")) == len(self._incidents):
                break
            time.sleep(1.0)
        time.sleep(5.0)

    def _groups(self, status: str) -> set[str]:
        return {each.group for each in self._sink.taken for state in each.alerts if state.status == status}

    def _report(self, verdict: Verdict) -> ClusterReport:
        firing, over = self._groups("firing"), self._groups("resolved")
        violations = [*verdict.violations, *(f"traceback: {line}" for line in self._engines.tracebacks())]
        violations += [f"never delivered: {each.name}" for each in self._incidents if each.group not in firing]
        return ClusterReport(self._seed, verdict, len(firing), len(over), self._faults, violations)

    def _tell(self, now: float) -> None:
        alerts: list[dict[str, object]] = []
        for incident in self._incidents:
            if incident.begins <= now < incident.ends + RESENT_SECONDS:
                # Prometheus says when an alert ends if nobody speaks of it any more: after four intervals.
                ends = now + 4 * POST_SECONDS + 20.0 if now < incident.ends else incident.ends
                alerts += [
                    {
                        "labels": {"alertname": incident.name, "instance": f"agent-{number}", "severity": "page"},
                        "annotations": {"summary": f"{incident.name} burns"},
                        "startsAt": rfc3339(round(self._began + incident.begins, 3)),
                        "endsAt": rfc3339(self._began + ends),
                        "generatorURL": "http://prometheus/graph",
                    }
                    for number in range(incident.instances)
                ]
        if alerts:
            for member in self._members:
                member.tell(alerts)

    def _break(self, now: float) -> None:
        """One thing at a time of each kind: what is broken is mended before it is broken again."""
        lasts = self._chance.uniform(0.5, 4.0)
        kind = self._chance.choice(
            ["alertmanager", "alertmanager", "engine", "engine", "postgres", "gossip", "webhook"]
        )
        index = self._chance.randrange(2)
        match kind:
            case "alertmanager":
                member = self._members[index]
                member.kill()
                mend: Callable[[], object] = lambda: member.start(wait=False)  # noqa: E731
            case "engine":
                engine = self._engines.all[index]
                engine.kill()
                mend = lambda: engine.start(wait=False)  # noqa: E731
            case "postgres":
                broken = self._history.disrupted("postgres is killed")
                self._postgres.kill()

                def mend() -> None:
                    self._postgres.start()
                    broken.until = time.time()

            case "gossip":
                lasts *= 4
                for relay in self._relays:
                    relay.is_cut = True

                def mend() -> None:
                    for relay in self._relays:
                        relay.is_cut = False

            case _:
                lasts *= 3
                balancer = self._balancers[index]
                balancer.is_cut = True

                def mend() -> None:
                    balancer.is_cut = False

        self._mends.append((now + lasts, mend))
        said = (
            f"{now:6.1f} s: {kind} {index if kind in ('alertmanager', 'engine', 'webhook') else ''} for {lasts:.1f} s"
        )
        self._faults.append(said)
        self._say(said)


def main() -> int:
    """Returns 1 where a promise was not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.cluster", description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--incidents", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120.0, help="in which the incidents begin")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1_000_000)
    command = f"python -m tests.fault.cluster --seed {seed} --incidents {arguments.incidents}"
    print(f"{command} --seconds {arguments.seconds:g}", flush=True)
    report = run(seed, number=arguments.incidents, seconds=arguments.seconds, say=lambda text: print(text, flush=True))
    for name, count in report.verdict.counts.items():
        print(f"{count:8} {name}")
    print(f"{report.delivered} of {arguments.incidents} incidents delivered, {report.ended} of them to their end")
    print(*report.violations[:50], sep="\n")
    print(f"{len(report.violations)} promises not kept")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
