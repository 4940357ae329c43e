"""``slo-engine init``: a first SLO file, of what a Prometheus has or of a few answers."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slo_engine.cli import output
from slo_engine.cli.arguments import ConfigFile, settings_here
from slo_engine.cli.connections import (
    CaFile,
    ClientCert,
    ClientKey,
    ConnectionOptions,
    Header,
    InsecureSkipVerify,
    Proxy,
    ProxyUserFile,
    TokenFile,
    UserFile,
)
from slo_engine.cli.exits import failures, usage_errors
from slo_engine.cli.schema import Described, schema_text
from slo_engine.errors import SloEngineError

if TYPE_CHECKING:
    from slo_engine.connect import Connection
    from slo_engine.proposals import Proposal, Proposed


def init(
    from_prometheus: Annotated[
        str | None,
        typer.Option("--from-prometheus", metavar="URL", help="Propose SLOs on the metrics that this Prometheus has."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file; slos/SERVICE.yaml if none is named; - is standard output."),
    ] = None,
    service: Annotated[str | None, typer.Option("--service", help="The service that the SLOs are of.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take what is proposed.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    token_file: TokenFile = None,
    user_file: UserFile = None,
    header: Header = None,
    ca_file: CaFile = None,
    client_cert: ClientCert = None,
    client_key: ClientKey = None,
    insecure_skip_verify: InsecureSkipVerify = False,
    proxy: Proxy = None,
    proxy_user_file: ProxyUserFile = None,
    config: ConfigFile = None,
) -> None:
    """Write a first SLO file: of the metrics that a Prometheus has, or an example.

    On a terminal it asks for the service, the SLOs and their objectives. What the options of the connection leave open
    is read from `prometheus` in the settings.
    """
    from slo_engine.definitions.fields import Name

    options = ConnectionOptions(
        token_file, user_file, header, ca_file, client_cert, client_key, insecure_skip_verify, proxy, proxy_user_file
    )
    with usage_errors():
        _refuse_what_is_there(out, force=force)
        if service and (mistake := _mistake(service, Name)):
            raise SloEngineError(f"--service {service}: {mistake}")
        if options.are_given and not from_prometheus:
            raise SloEngineError("--token-file and the other options of a connection go with --from-prometheus")
        connection = _connection(from_prometheus, config, options) if from_prometheus else None
    asks = not yes and is_terminal()
    with failures():
        found = _proposed(connection) if connection else None
        service = service or _answer("The service that they are of", _usual_service(found, out), Name, asks=asks)
        out = out or Path("slos") / f"{service}.yaml"
    with usage_errors():
        _refuse_what_is_there(out, force=force)
    text = _from_proposals(service, found, asks=asks) if found else _from_answers(service, asks=asks)
    with failures():
        _write(text, out)
    if str(out) != "-":
        _say_what_is_next(out, from_prometheus)


def is_terminal() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty()


def _connection(url: str, config: Path | None, options: ConnectionOptions) -> Connection:
    from slo_engine.settings import load_settings

    settings = load_settings(config or settings_here(), sections=("prometheus",)).prometheus
    return options.connection("--from-prometheus", url, settings=settings)


def _proposed(connection: Connection) -> Proposed:
    from slo_engine.prometheus import Prometheus
    from slo_engine.proposals import propose

    with closing(Prometheus(connection)) as door:
        found = propose(door, datetime.now(UTC))
    for each in found.left_out:
        output.note(f"{each.name} is left out: {each.reason}")
    if not found.proposals:
        raise SloEngineError(
            f"{connection.address} has no metrics that an SLO could be proposed for: those of slo_engine.monitoring, "
            "OpenTelemetry's GenAI metrics, LiteLLM, vLLM, and HTTP and gRPC servers are looked for. Leave out "
            "--from-prometheus for an example"
        )
    return found


def _usual_service(found: Proposed | None, out: Path | None) -> str:
    """What the file is called, or else what kind of metrics there are."""
    from slo_engine.definitions.fields import Name

    if out is not None and str(out) != "-" and _mistake(out.stem, Name) is None:
        return out.stem
    ours = found is None or any(each.by[:1] == ("agent_type",) for each in found.proposals)
    return "agents" if ours else "services"


def _from_proposals(service: str, found: Proposed, *, asks: bool) -> str:
    from slo_engine.proposals import slo_file

    chosen = list(_chosen(found.proposals) if asks else found.proposals)
    if not chosen:
        output.complain("no SLO was chosen: nothing is written")
        raise typer.Exit(1)
    return slo_file(service, chosen)


def _chosen(proposals: Sequence[Proposal]) -> Iterator[Proposal]:
    from slo_engine.definitions.fields import Objective

    for proposal in proposals:
        divided = f" By {', '.join(proposal.by)}." if proposal.by else ""
        output.note(f"\n{proposal.name}: {proposal.description}{divided}")
        for remark in proposal.remarks.values():
            output.note(f"  {remark}")
        if not typer.confirm("  Take it?", default=True, err=True):
            continue
        if proposal.objective is None:
            yield proposal
            continue
        objective = float(_answer("  Objective in percent", f"{proposal.objective:g}", Objective, asks=True))
        overrides = {group: each for group, each in proposal.overrides.items() if each < objective}
        yield replace(proposal, objective=objective, overrides=overrides)


def _from_answers(service: str, *, asks: bool) -> str:
    from slo_engine.definitions.fields import Label, Objective, SelectorField
    from slo_engine.proposals import Answers, example

    total = _answer("A counter of all events", "agent_requests_total", SelectorField, asks=asks)
    errors = _answer("A counter of those that fail", f'{total}{{status!="success"}}', SelectorField, asks=asks)
    by = _answer("The label that names who is served", "agent_type", Label, asks=asks)
    objective = _answer("Objective: percent of events that are good", "98", Objective, asks=asks)
    return example(Answers(service, total, errors, by, float(objective)))


def _answer(question: str, default: str, type_: Any, *, asks: bool) -> str:
    """An answer that an SLO file takes as ``type_``: asked for until it is one."""
    while asks:
        answer = str(typer.prompt(question, default=default, err=True)).strip()
        mistake = _mistake(answer, type_)
        if mistake is None:
            return answer
        output.complain(f"  {mistake}")
    return default


def _mistake(text: str, type_: Any) -> str | None:
    from pydantic import TypeAdapter, ValidationError

    from slo_engine.definitions.document import read_document
    from slo_engine.definitions.wording import wrong_value

    value = read_document(Path("answer"), text).data if re.fullmatch(r"[0-9.]+", text) else text
    try:
        TypeAdapter(type_).validate_python(value)
    except ValidationError as error:
        return wrong_value(error.errors(include_url=False)[0])
    return None


def _refuse_what_is_there(out: Path | None, *, force: bool) -> None:
    if out is not None and str(out) != "-" and out.exists() and not force:
        raise SloEngineError(f"{out} is there already: name another file with --out, or overwrite it with --force")


def _write(text: str, out: Path) -> None:
    if str(out) == "-":
        output.line(text.rstrip("\n"))
        return
    from slo_engine.proposals.writing import SCHEMA

    schema = out.parent / SCHEMA
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        if not schema.exists():
            schema.write_text(f"{schema_text(Described.SLOS)}\n", encoding="utf-8")
    except OSError as error:
        raise SloEngineError(f"{error.filename or out} cannot be written: {error.strerror}") from None
    output.line(str(out))


def _say_what_is_next(out: Path, url: str | None) -> None:
    folder = out.parent
    where = f"SLO_ENGINE_PROMETHEUS__URL={url} " if url else ""
    output.note(
        "Look at the objectives, then:\n"
        f"  slo-engine validate {folder}\n"
        f"  slo-engine rules generate {folder} --out rules   # and have Prometheus load them\n"
        f"  {where}slo-engine doctor {folder}   # two minutes later"
    )
