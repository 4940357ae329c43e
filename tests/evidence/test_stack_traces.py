"""Stack traces of any language, whole and cut off -> their messages."""

from __future__ import annotations

import pytest

from slo_engine.evidence.messages import clustered
from tests.evidence.test_other_cases import CHAIN, FRAME, HEAD, group

NESTED = """\
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 1, in m
  | ExceptionGroup: outer (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | asyncio.exceptions.CancelledError
    +---------------- 2 ----------------
    | Exception Group Traceback (most recent call last):
    |   File "a.py", line 1, in m
    | ExceptionGroup: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | Traceback (most recent call last):
      |   File "a.py", line 1, in m
      | ValueError: bad
      +------------------------------------
"""
ESCAPED = f"{HEAD}{FRAME}ValueError: bad".replace("\n", "\\n")
GRPC = (
    "<{error} of RPC that terminated with:\n\tstatus = StatusCode.UNAVAILABLE\n"
    '\tdetails = "Connection refused"\n\tdebug_error_string = "UNKNOWN:x {{grpc_status:14}}"\n>'
)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (NESTED, "ExceptionGroup: outer (2 sub-exceptions): ValueError: bad"),
        (f"{NESTED}{CHAIN}{HEAD}{FRAME}", "ExceptionGroup: outer (2 sub-exceptions): ValueError: bad"),
        (f"{NESTED}{CHAIN}{HEAD}{FRAME}RuntimeError: gone", "RuntimeError: gone"),
        (
            NESTED + CHAIN + group("KeyError: 'k'"),
            "ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exceptions): KeyError: 'k'",
        ),
        ("    return x[0]\nIndexError: out of range", "IndexError: out of range"),
        ("return x[0]\n       ~^^^\nIndexError: out of range", "IndexError: out of range"),
        (f"ValueError: bad\n-----\nmore: x\n{'y ' * 9}", "ValueError: bad"),
        (f"{HEAD}{FRAME}ValueError: bad\n-----\n...\nMore: x", "ValueError: bad"),
        (f"{HEAD}{FRAME}ValueError: bad{CHAIN}Traceback (most rec", "ValueError: bad"),
        (f"{HEAD}{FRAME}Trace", "no message"),
        (f"ToolException('{ESCAPED}')", "ValueError: bad')"),
        (
            "System.AggregateException: Many errors\n ---> System.Net.Http.HttpRequestException: refused\n  at a",
            "System.AggregateException: Many errors: System.Net.Http.HttpRequestException: refused",
        ),
        ("Error: no start\n\nCaused by:\n    0: reading x\n    1: no such file\n", "Error: no start: no such file"),
        (
            'a.B: failed\n\tat x\nCaused by: b.C: HTTP 500: {"error": {"message": "pool is empty"}}\n\tat z',
            "a.B: failed: b.C: HTTP 500: pool is empty",
        ),
        ("a.B: b.C: refused\n\tat x\nCaused by: b.C: refused\n\tat z", "a.B: b.C: refused"),
        ("file:///app/a.mjs:10\nthrow e;\n^\n\nTypeError: no seat\n    at a", "TypeError: no seat"),
        (GRPC.format(error="AioRpcError"), "AioRpcError: StatusCode.UNAVAILABLE: Connection refused"),
        ("ERROR: syntax error\nLINE 1: SELECT\n        ^\nHINT: No function", "ERROR: syntax error"),
        ("while scanning\n  in \"<string>\", line 3, column 1:\n    foo\n    ^\nno ':'", "while scanning"),
        ("\tat a.b\nCaused by: x.Y: refused", "x.Y: refused"),
        ("Error: a\n    at x {\n  cause: TypeError: b\n      at y {\n    code: 'C'\n  }\n}", "Error: a: TypeError: b"),
        (
            "AggregateError\n    at x {\n  [errors]: [\n    Error: connect ECONNREFUSED 10.0.0.1:5432\n  ]\n}",
            "AggregateError: Error: connect ECONNREFUSED 10.0.0.1:5432",
        ),
        ("╭─ Error ─╮\n│ No such option │\n╰───╯", "No such option"),
        ("  two words\nand more", "two words"),
    ],
)
def test_the_exception_of_a_stack_trace_is_said(raw: str, said: str) -> None:
    (cluster,) = clustered([raw] * 3)
    assert cluster.message == said


@pytest.mark.parametrize("at", range(3960, 4010, 7))
def test_no_half_of_a_secret_is_said_where_a_long_text_is_cut(at: int) -> None:
    secret = "sk-proj-abc123DEF456ghi789"
    frames = FRAME * 100
    raw = f"{HEAD}{frames[: at - len(HEAD)].rpartition(chr(10))[0]}\nValueError: key {secret} y{' x' * 9000}"
    assert "sk-proj" not in clustered([raw])[0].message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("failed: Invalid params (-32602)", "failed: Invalid params (-32603)"),
        ('{"error": {"code": -32602, "message": "failed"}}', '{"error": {"code": -32603, "message": "failed"}}'),
        ("DPY-6005: cannot connect", "DPY-4011: cannot connect"),
        ("AADSTS700016: no token", "AADSTS50034: no token"),
        ("SQLSTATE[42P01]: failed", "SQLSTATE[22P02]: failed"),
        ("SQLSTATE[HY000] [2002] failed", "SQLSTATE[HY000] [1045] failed"),
        ("2003 (HY000): failed", "1045 (28000): failed"),
        ("ConnectionError(111, 'failed')", "ConnectionError(104, 'failed')"),
        ("APIStatusError 529", "APIStatusError 500"),
        ("sent 1011 (error) timeout", "sent 1001 (error) timeout"),
    ],
)
def test_numbers_of_errors_tell_causes_apart(one: str, other: str) -> None:
    assert len(clustered([one, other] * 20)) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ValueError: order ORD-80254 is lost", "ValueError: order ORD-11121 is lost"),
        ("received 1234 (of 5000) bytes", "received 1277 (of 5000) bytes"),
        ("ticket ABC-123: no answer", "ticket ABC-124: no answer"),
        ("moved by -42 of -100", "moved by -17 of -100"),
        ("found (2003, 17) in the grid", "found (1045, 11) in the grid"),
    ],
)
def test_other_numbers_do_not(one: str, other: str) -> None:
    assert len(clustered([one, other] * 20)) == 1
