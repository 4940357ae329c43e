"""``slo-engine policy``: what budget policies say."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from slo_engine.cli import output
from slo_engine.cli.arguments import AsJson
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
from slo_engine.cli.exits import usage_errors
from slo_engine.errors import SloEngineError

app = typer.Typer(help="What budget policies say.", no_args_is_help=True, pretty_exceptions_enable=False)

MAX_ANSWER_BYTES = 4 * 1024 * 1024


@app.callback()
def _policy() -> None:
    """So that there is a command below, though it is the only one."""


@app.command()
def check(
    service: Annotated[str, typer.Argument(help="The service that is to be released.")],
    engine: Annotated[
        str, typer.Option("--engine", envvar="SLO_ENGINE_ADDRESS", help="The address of the running engine.")
    ] = "http://127.0.0.1:8090",
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Exit 0, too, when the budgets are not known.")
    ] = False,
    token_file: TokenFile = None,
    user_file: UserFile = None,
    header: Header = None,
    ca_file: CaFile = None,
    client_cert: ClientCert = None,
    client_key: ClientKey = None,
    insecure_skip_verify: InsecureSkipVerify = False,
    proxy: Proxy = None,
    proxy_user_file: ProxyUserFile = None,
    as_json: AsJson = False,
) -> None:
    """May this service release? Exit 0: it may; 1: its budget policy freezes releases, or that is not known."""
    options = ConnectionOptions(
        token_file, user_file, header, ca_file, client_cert, client_key, insecure_skip_verify, proxy, proxy_user_file
    )
    with usage_errors():
        connection = options.connection("--engine", engine.rstrip("/"))
    try:
        answer = _ask(connection, service)
    except SloEngineError as error:
        answer = {"service": service, "releases": "unknown", "reason": str(error), "steps": [], "evaluated_at": None}
    if as_json:
        output.json_document(answer)
    else:
        output.line(f"{service}: releases {answer['releases']}: {answer['reason']}")
        for step in answer["steps"]:
            where = " ".join([step["slo"], *step["group"].values()])
            output.line(f"  {where}, at {step['at_percent']:g} %: {step['text']} (since {step['since']})")
    is_fine = answer["releases"] == "allowed" or (allow_unknown and answer["releases"] == "unknown")
    raise typer.Exit(0 if is_fine else 1)


def _ask(connection: Any, service: str) -> dict[str, Any]:
    import json
    from urllib.parse import quote

    from slo_engine.connect import explained, failure_of, said_in
    from slo_engine.connect.client import ERRORS, client, fetch

    with client(connection) as session:
        request = session.build_request("GET", f"{connection.url}/api/v1/budget-policy/{quote(service, safe='')}")
        try:
            answer = fetch(request, session, seconds=connection.timeout, max_bytes=MAX_ANSWER_BYTES)
        except ERRORS as error:
            reason = failure_of(error, connection).of(f"the engine at {connection.address}")
            raise SloEngineError(reason) from None
    if answer.status == 404:
        raise SloEngineError(f"the engine at {connection.address} knows no service {service!r}")
    if answer.status != 200:
        said = said_in(answer.body, connection)
        why = explained(answer.status, connection, said=said)
        raise SloEngineError(f"the engine at {connection.address} answered {why}")
    try:
        found: dict[str, Any] = json.loads(answer.body)
    except ValueError:
        found = {}
    if not isinstance(found, dict) or not {"releases", "reason", "steps"} <= found.keys():
        raise SloEngineError(f"what answers at {connection.address} is not slo-engine: check --engine")
    return found
