"""``slo-engine rules push``: bring the rules of the tenants of a Mimir or Cortex ruler to what the SLO files say."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slo_engine.amounts import count
from slo_engine.cli import diff, output
from slo_engine.cli.arguments import AsJson, SloPathsHere
from slo_engine.cli.connections import (
    CaFile,
    ClientCert,
    ClientKey,
    ConnectionOptions,
    Header,
    InsecureSkipVerify,
    Proxy,
    ProxyUserFile,
)
from slo_engine.cli.exits import failures, usage_errors
from slo_engine.cli.secrets import from_environment
from slo_engine.errors import SloEngineError

if TYPE_CHECKING:
    from rich.progress import Progress

    from slo_engine.rollout.pushing import Change, Plan
    from slo_engine.rollout.ruler import Ruler
    from slo_engine.rules import RuleGroup


TENANT = re.compile(r"[A-Za-z0-9!_.*'()-]{1,150}")
"""https://grafana.com/docs/mimir/latest/configure/about-tenant-ids/; several at once (a|b) are for queries only."""


class RulerApi(StrEnum):
    """Whose ruler API it is."""

    MIMIR = "mimir"
    CORTEX = "cortex"


@dataclass
class _Push:
    """What becomes of one tenant."""

    tenant: str | None
    plan: Plan | None = None
    outcomes: list[tuple[Change, str]] = field(default_factory=list)
    """Of each change: an empty text when it went, otherwise why not."""
    error: str = ""

    @property
    def title(self) -> str:
        return f"tenant {self.tenant}" if self.tenant else "the tenant"

    @property
    def failed(self) -> list[tuple[Change, str]]:
        return [(change, reason) for change, reason in self.outcomes if reason]

    def as_json(self) -> dict[str, Any]:
        changes = self.plan.changes if self.plan else ()
        reasons = {id(change): reason for change, reason in self.outcomes}
        return {
            "tenant": self.tenant,
            "error": self.error or None,
            "unchanged": self.plan.unchanged if self.plan else None,
            "left_over": dict(self.plan.left_over) if self.plan else {},
            "changes": [
                {
                    **change.as_json(),
                    "sent": reasons.get(id(change)) == "",
                    "error": reasons.get(id(change)) or None,
                }
                for change in changes
            ],
        }


def push(
    paths: SloPathsHere = None,
    address: Annotated[
        str, typer.Option("--address", "-a", envvar="MIMIR_ADDRESS", help="Where Mimir or Cortex is.")
    ] = "",
    api: Annotated[RulerApi, typer.Option("--api", help="Whose ruler API it is.")] = RulerApi.MIMIR,
    api_path: Annotated[
        str | None,
        typer.Option(
            "--api-path",
            help="The path of the ruler API, if the prefix was changed: /prometheus/config/v1/rules (Mimir), "
            "/api/v1/rules (Cortex).",
        ),
    ] = None,
    tenant: Annotated[
        list[str] | None,
        typer.Option("--tenant", "-t", envvar="MIMIR_TENANT_ID", help="For X-Scope-OrgID; may be given several times."),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="One namespace for all; else slo-engine:<service> for each service."),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete our groups of services that these SLO files do not name, too.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and exit 1 if anything would.")
    ] = False,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Holds a bearer token; else MIMIR_AUTH_TOKEN.")
    ] = None,
    user_file: Annotated[
        Path | None,
        typer.Option("--user-file", help="Holds user:password; else MIMIR_API_USER and MIMIR_API_KEY."),
    ] = None,
    header: Header = None,
    ca_file: CaFile = None,
    client_cert: ClientCert = None,
    client_key: ClientKey = None,
    insecure_skip_verify: InsecureSkipVerify = False,
    proxy: Proxy = None,
    proxy_user_file: ProxyUserFile = None,
    as_json: AsJson = False,
) -> None:
    """Send the groups that have changed to the ruler of Mimir or Cortex, and delete those of ours that are gone.

    Touches the namespaces that these SLO files give groups to, and in them the groups that slo-engine has written.
    """
    from slo_engine.definitions import load
    from slo_engine.rollout.pushing import namespaces
    from slo_engine.rollout.ruler import TENANT_HEADER, Ruler

    options = ConnectionOptions(
        token_file, user_file, header, ca_file, client_cert, client_key, insecure_skip_verify, proxy, proxy_user_file
    )
    tenants: Sequence[str | None] = list(dict.fromkeys(tenant or ())) or [None]
    with usage_errors():
        for each in tenants:
            if each is not None and not TENANT.fullmatch(each):
                raise SloEngineError(f"--tenant {each!r}: must be one tenant, in letters, digits and !-_.*'()")
        credentials = None if options.credentials() else _credentials(tenants)
        connection = options.connection("--address (or MIMIR_ADDRESS)", address, credentials=credentials)
    with failures():
        wanted = namespaces(load(paths or [Path("slos")]), namespace)
        if not wanted:
            raise SloEngineError("these files declare neither an SLO nor a threshold: nothing to push")
    pushes = []
    with _progress() as progress:
        for each in tenants:
            place = connection if each is None else connection.with_header(TENANT_HEADER, each)
            with closing(Ruler(place, api=api.value, path=api_path)) as ruler:
                pushes.append(_tenant(ruler, each, wanted, progress, prune=prune, dry_run=dry_run))
    _report(pushes, dry_run=dry_run, as_json=as_json)
    has_changes = any(each.plan and each.plan.changes for each in pushes)
    if any(each.error or each.failed for each in pushes) or (dry_run and has_changes):
        raise typer.Exit(1)


def _tenant(
    ruler: Ruler,
    tenant: str | None,
    wanted: Mapping[str, Sequence[RuleGroup]],
    progress: Progress,
    *,
    prune: bool,
    dry_run: bool,
) -> _Push:
    from slo_engine.rollout.pushing import plan
    from slo_engine.rollout.ruler import RulerError
    from slo_engine.rollout.sending import send

    push = _Push(tenant)
    try:
        push.plan = plan(wanted, ruler.groups(), prune=prune)
    except RulerError as error:
        push.error = str(error)
        return push
    if not dry_run:
        task = progress.add_task(push.title, total=len(push.plan.changes))
        sent = send(ruler, push.plan.changes, lambda: progress.advance(task))
        push.outcomes = [(each.change, each.error) for each in sent]
    return push


def _report(pushes: Sequence[_Push], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        output.json_document({"dry_run": dry_run, "tenants": [push.as_json() for push in pushes]})
    for push in pushes:
        if push.error or push.plan is None:
            output.complain(f"nothing was sent: {push.error}")
            continue
        if not as_json:
            _show(push, push.plan, dry_run=dry_run)
        for name, number in push.plan.left_over.items():
            output.note(
                f"{push.title}: the namespace {name} holds {count(number, 'group')} of ours that these SLO files do "
                "not give there: delete them with --prune, if no other SLO files give them"
            )
        if push.failed:
            went = f"{len(push.outcomes) - len(push.failed)} of {count(len(push.outcomes), 'change')} went"
            output.complain(f"{push.title}: {went}; push again for the others")
        else:
            tell = output.complain if dry_run and push.plan.changes else output.note
            tell(f"{push.title}: {_counted(push.plan.changes)}, {count(push.plan.unchanged, 'group')} unchanged")


def _show(push: _Push, plan: Plan, *, dry_run: bool) -> None:
    if dry_run:
        for change in plan.changes:
            diff.show(change.diff)
        return
    for change, reason in push.outcomes:
        what = f"{change.namespace}/{change.group}"
        if reason:
            output.complain(f"{push.title}: {change.action} {what}: {reason}")
        else:
            output.line(f"{push.title}: {change.action} {what}")


def _counted(changes: Sequence[Change]) -> str:
    numbers = {action: sum(change.action == action for change in changes) for action in ("create", "replace", "delete")}
    return ", ".join(f"{number} to {action}" for action, number in numbers.items() if number) or "nothing to change"


def _credentials(tenants: Sequence[str | None]) -> dict[str, Any] | None:
    """Of mimirtool's environment variables: ``token`` or ``basic_auth``."""
    token, key = from_environment("MIMIR_AUTH_TOKEN"), from_environment("MIMIR_API_KEY")
    if token and key:
        raise SloEngineError("MIMIR_AUTH_TOKEN and MIMIR_API_KEY: set one of them")
    if key:
        # As mimirtool has it: the user is the tenant where none is named.
        name = from_environment("MIMIR_API_USER") or (tenants[0] if len(tenants) == 1 else None)
        if not name:
            raise SloEngineError("MIMIR_API_KEY is a password: name its user in MIMIR_API_USER")
        return {"basic_auth": {"username": name, "password": key}}
    return {"token": token} if token else None


@contextmanager
def _progress() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        yield progress
