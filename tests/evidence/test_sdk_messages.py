"""Messages as the SDKs of models and tools build them: one cause each, whatever ids, numbers and texts are in them."""

from __future__ import annotations

import random
from collections.abc import Callable
from uuid import UUID

import pytest

from slo_engine.evidence.messages import clustered

CAUSES: dict[str, list[tuple[str, str]]] = {
    'openai 2.54, _base_client.py: f"Error code: {status} - {body}", the body as Python prints it': [
        (
            (
                "Error code: 401 - {'error': {'message': 'Incorrect API key provided: sk-proj-«hex»«hex». You can"
                " find your API key at https://platform.openai.com/account/api-keys.', 'type':"
                " 'invalid_request_error', 'code': 'invalid_api_key', 'param': None}, 'status': 401}"
            ),
            (
                "Error code: 401 - invalid_api_key: Incorrect API key provided: <secret>. You can find your API key"
                " at https://platform.openai.com/account/api-keys."
            ),
        ),
        (
            (
                "Error code: 429 - {'error': {'message': 'Rate limit reached for gpt-5-mini in organization org-«hex»"
                " on tokens per min (TPM): Limit 30000, Used «n», Requested «n». Please try again in «s»s. Visit"
                " https://platform.openai.com/account/rate-limits to learn more.', 'type': 'tokens', 'param': None,"
                " 'code': 'rate_limit_exceeded'}}"
            ),
            (
                "Error code: 429 - rate_limit_exceeded: Rate limit reached for gpt-5-mini in organization org-<id> on"
                " tokens per min (TPM): Limit 30000, Used <n>, Requested <n>. Please try again in <n>s. Visit https:…"
            ),
        ),
        (
            (
                "Error code: 429 - {'error': {'message': 'You exceeded your current quota, please check your plan and"
                " billing details.', 'type': 'insufficient_quota', 'param': None, 'code': 'insufficient_quota'}}"
            ),
            (
                "Error code: 429 - insufficient_quota: You exceeded your current quota, please check your plan and"
                " billing details."
            ),
        ),
        (
            (
                "Error code: 400 - {'error': {'message': \"This model's maximum context length is 128000 tokens."
                ' However, your messages resulted in «n» tokens. Please reduce the length of the messages.",'
                " 'type': 'invalid_request_error', 'param': 'messages', 'code': 'context_length_exceeded'}}"
            ),
            (
                "Error code: 400 - context_length_exceeded: This model's maximum context length is 128000 tokens."
                " However, your messages resulted in <n> tokens. Please reduce the length of the messages."
            ),
        ),
        (
            (
                "Error code: 404 - {'error': {'message': 'The model `gpt-5-mini` does not exist or you do not have"
                " access to it.', 'type': 'invalid_request_error', 'param': None, 'code': 'model_not_found'}}"
            ),
            "Error code: 404 - model_not_found: The model `gpt-5-mini` does not exist or you do not have access to it.",
        ),
        (
            (
                "Error code: 500 - {'error': {'message': 'The server had an error while processing your request."
                " Sorry about that! (request id «req»)', 'type': 'server_error', 'param': None, 'code': None}}"
            ),
            (
                "Error code: 500 - server_error: The server had an error while processing your request. Sorry about"
                " that! (request id req_<id>)"
            ),
        ),
        (
            (
                "Error code: 502 - <html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><hr>cloudflare"
                " «hex»</body>"
            ),
            "Error code: 502 - 502 Bad Gateway",
        ),
        (
            "Request timed out.",
            "Request timed out.",
        ),
        (
            "Connection error.",
            "Connection error.",
        ),
    ],
    "anthropic 2.12, the same client": [
        (
            (
                "Error code: 529 - {'type': 'error', 'error': {'type': 'overloaded_error', 'message': 'Overloaded'},"
                " 'request_id': '«req»'}"
            ),
            "Error code: 529 - overloaded_error: Overloaded",
        ),
        (
            (
                "Error code: 400 - {'type': 'error', 'error': {'type': 'invalid_request_error', 'message': 'prompt is"
                " too long: «n» tokens > 200000 maximum'}, 'request_id': '«req»'}"
            ),
            "Error code: 400 - invalid_request_error: prompt is too long: <n> tokens > 200000 maximum",
        ),
        (
            (
                "Error code: 404 - {'type': 'error', 'error': {'type': 'not_found_error', 'message': 'model:"
                " claude-sonnet-4-5'}, 'request_id': '«req»'}"
            ),
            "Error code: 404 - not_found_error: model: claude-sonnet-4-5",
        ),
    ],
    'google-genai 3.4, errors.py: f"{code} {status}. {details}"': [
        (
            (
                "429 RESOURCE_EXHAUSTED. {'error': {'code': 429, 'message': 'You exceeded your current quota. Please"
                " retry in «s»s.', 'status': 'RESOURCE_EXHAUSTED', 'details': [{'@type':"
                " 'type.googleapis.com/google.rpc.Help'}]}}"
            ),
            "429 RESOURCE_EXHAUSTED. You exceeded your current quota. Please retry in <n>s.",
        ),
        (
            (
                "503 UNAVAILABLE. {'error': {'code': 503, 'message': 'The model is overloaded. Please try again"
                " later.', 'status': 'UNAVAILABLE'}}"
            ),
            "503 UNAVAILABLE. The model is overloaded. Please try again later.",
        ),
        (
            (
                "400 INVALID_ARGUMENT. {'error': {'code': 400, 'message': 'API key not valid. Please pass a valid API"
                " key.', 'status': 'INVALID_ARGUMENT'}}"
            ),
            "400 INVALID_ARGUMENT. API key not valid. Please pass a valid API key.",
        ),
    ],
    "mistralai and cohere": [
        (
            'API error occurred: Status 401. Body: {"detail":"Unauthorized"}',
            "API error occurred: Status 401. Body: Unauthorized",
        ),
        (
            (
                'API error occurred: Status 422. Body: {"object":"error","message":"Invalid model:'
                ' mistral-huge-9","type":"invalid_model","code":"1500"}'
            ),
            "API error occurred: Status 422. Body: 1500 invalid_model: Invalid model: mistral-huge-9",
        ),
        (
            (
                "headers: {'date': 'Mon', 'x-id': '«hex»'}, status_code: 429, body: {'id': '«uuid»', 'message':"
                " 'Please wait and try again later'}"
            ),
            "status_code: 429, body: Please wait and try again later",
        ),
    ],
    "litellm 1.97, exceptions.py and exception_mapping_utils.py": [
        (
            (
                "litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit reached on requests. Try again"
                " in «s»s."
            ),
            (
                "litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit reached on requests. Try again"
                " in <n>s."
            ),
        ),
        (
            "litellm.InternalServerError: AnthropicException - Overloaded. Handle with `litellm.InternalServerError`.",
            "litellm.InternalServerError: AnthropicException - Overloaded. Handle with `litellm.InternalServerError`.",
        ),
        (
            (
                'litellm.RateLimitError: litellm.RateLimitError: VertexAIException - b\'{\\n  "error": {\\n   '
                ' "code": 429,\\n    "message": "Resource exhausted. Please try again later.",\\n    "status":'
                ' "RESOURCE_EXHAUSTED"\\n  }\\n}\\n\''
            ),
            (
                "litellm.RateLimitError: litellm.RateLimitError: VertexAIException - 429 RESOURCE_EXHAUSTED: Resource"
                " exhausted. Please try again later."
            ),
        ),
        (
            (
                "litellm.Timeout: APITimeoutError - Request timed out. Error_str: Request timed out. - timeout"
                " value=600.0, time taken=«s» seconds"
            ),
            (
                "litellm.Timeout: APITimeoutError - Request timed out. Error_str: Request timed out. - timeout"
                " value=600.0, time taken=<n> seconds"
            ),
        ),
    ],
    "boto3, bedrock-runtime": [
        (
            (
                "An error occurred (ThrottlingException) when calling the InvokeModel operation (reached max retries:"
                " 4): Too many tokens, please wait before trying again."
            ),
            (
                "An error occurred (ThrottlingException) when calling the InvokeModel operation (reached max retries:"
                " 4): Too many tokens, please wait before trying again."
            ),
        ),
        (
            (
                "An error occurred (ValidationException) when calling the InvokeModel operation: Malformed input"
                " request, please reformat your input and try again."
            ),
            (
                "An error occurred (ValidationException) when calling the InvokeModel operation: Malformed input"
                " request, please reformat your input and try again."
            ),
        ),
        (
            (
                "An error occurred (ThrottlingException) when calling the Converse operation (reached max retries:"
                " 4): Too many tokens, please wait before trying again."
            ),
            (
                "An error occurred (ThrottlingException) when calling the Converse operation (reached max retries:"
                " 4): Too many tokens, please wait before trying again."
            ),
        ),
        (
            (
                "An error occurred (AccessDeniedException) when calling the InvokeModel operation: User:"
                " arn:aws:sts::«n»:assumed-role/agent/«hex» is not authorized"
            ),
            (
                "An error occurred (AccessDeniedException) when calling the InvokeModel operation: User:"
                " arn:aws:sts::<n>:assumed-role/agent/<id> is not authorized"
            ),
        ),
        (
            (
                'Could not connect to the endpoint URL: "https://bedrock-runtime.us-east-1.amazonaws.com/model/«hex»/i'
                'nvoke"'
            ),
            'Could not connect to the endpoint URL: "<url>"',
        ),
    ],
    "httpx, requests, aiohttp": [
        (
            (
                "Client error '404 Not Found' for url 'https://crm.example.com/v1/orders/«n»'\nFor more information"
                " check: https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/404"
            ),
            "Client error '404 Not Found' for url 'https://crm.example.com/<*>'",
        ),
        (
            (
                "Server error '503 Service Unavailable' for url 'https://crm.example.com/v1/orders/«n»'\nFor more"
                " information check: https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/503"
            ),
            "Server error '503 Service Unavailable' for url 'https://crm.example.com/<*>'",
        ),
        (
            (
                "Server error '500 Internal Server Error' for url 'https://crm.example.com/v1/orders/«n»'\nFor more"
                " information check: https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/500"
            ),
            "Server error '500 Internal Server Error' for url 'https://crm.example.com/<*>'",
        ),
        (
            "404 Client Error: Not Found for url: https://crm.example.com/v2/customers/«uuid»",
            "404 Client Error: Not Found for url: https://crm.example.com/<*>",
        ),
        (
            "403 Client Error: Forbidden for url: https://crm.example.com/v2/customers/«uuid»",
            "403 Client Error: Forbidden for url: https://crm.example.com/<*>",
        ),
        (
            (
                "HTTPSConnectionPool(host='crm.example.com', port=443): Max retries exceeded with url: /v1/«n»"
                " (Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x«hex»>: Failed to"
                " establish a new connection: [Errno 111] Connection refused'))"
            ),
            (
                "HTTPSConnectionPool(host='crm.example.com', port=443): Max retries exceeded with url: <path> (Caused"
                " by NewConnectionError('<urllib3.connection.HTTPSConnection object at <id>>: Failed to establish a …"
            ),
        ),
        (
            "HTTPSConnectionPool(host='crm.example.com', port=443): Read timed out. (read timeout=30)",
            "HTTPSConnectionPool(host='crm.example.com', port=443): Read timed out. (read timeout=30)",
        ),
        (
            "429, message='Too Many Requests', url='https://search.example.com/q?id=«n»'",
            "429, message='Too Many Requests', url='https://search.example.com/q'",
        ),
        (
            "[Errno -2] Name or service not known",
            "[Errno -2] Name or service not known",
        ),
        (
            "[Errno 111] Connection refused",
            "[Errno 111] Connection refused",
        ),
        (
            "[Errno 104] Connection reset by peer",
            "[Errno 104] Connection reset by peer",
        ),
        (
            "All connection attempts failed",
            "All connection attempts failed",
        ),
        (
            "Server disconnected without sending a response.",
            "Server disconnected without sending a response.",
        ),
    ],
    "psycopg, SQLAlchemy": [
        (
            (
                '(psycopg.errors.UndefinedColumn) column "amount_cents" does not exist\nLINE 1: SELECT'
                " amount_cents\n[SQL: SELECT «n»]\n(Background on this error at: https://sqlalche.me/e/20/f405)"
            ),
            '(psycopg.errors.UndefinedColumn) column "amount_cents" does not exist',
        ),
        (
            (
                '(psycopg.errors.UndefinedColumn) column "order_id" does not exist\nLINE 1: SELECT order_id\n[SQL:'
                " SELECT «n»]\n(Background on this error at: https://sqlalche.me/e/20/f405)"
            ),
            '(psycopg.errors.UndefinedColumn) column "order_id" does not exist',
        ),
        (
            'duplicate key value violates unique constraint "orders_pkey"\nDETAIL:  Key (id)=(«n») already exists.',
            'duplicate key value violates unique constraint "orders_pkey"',
        ),
        (
            (
                "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00 (Background on"
                " this error at: https://sqlalche.me/e/20/3o7r)"
            ),
            (
                "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00 (Background on"
                " this error at: https://sqlalche.me/<*>)"
            ),
        ),
        (
            'connection to server at "10.0.0.5", port 5432 failed: Connection refused\n\tIs the server running?',
            'connection to server at "10.0.0.5", port 5432 failed: Connection refused',
        ),
        (
            'connection to server at "10.0.0.5", port 5432 failed: FATAL:  sorry, too many clients already',
            'connection to server at "10.0.0.5", port 5432 failed: FATAL: sorry, too many clients already',
        ),
        (
            "deadlock detected\nDETAIL:  Process «n» waits for ShareLock on transaction «n»; blocked by process «n».",
            "deadlock detected",
        ),
    ],
    "langchain, langgraph": [
        (
            (
                "Recursion limit of 25 reached without hitting a stop condition. You can increase the limit by"
                " setting the `recursion_limit` config key.\nFor troubleshooting, visit:"
                " https://docs.langchain.com/GRAPH_RECURSION_LIMIT"
            ),
            (
                "Recursion limit of 25 reached without hitting a stop condition. You can increase the limit by"
                " setting the `recursion_limit` config key."
            ),
        ),
        (
            (
                "Invalid json output: «word» and «word» said so.\nFor troubleshooting, visit:"
                " https://docs.langchain.com/OUTPUT_PARSING_FAILURE"
            ),
            "Invalid json output: <*> and <*> said so.",
        ),
        (
            "Error: send_mail is not a valid tool, try one of [search, crm_lookup].",
            "Error: send_mail is not a valid tool, try one of [search, crm_lookup].",
        ),
        (
            (
                "1 validation error for Order\namount\n  Input should be a valid integer, unable to parse string as"
                " an integer [type=int_parsing, input_value='«word»', input_type=str]\n    For further information"
                " visit https://errors.pydantic.dev/2.14/v/int_parsing"
            ),
            (
                "1 validation error for Order: amount: Input should be a valid integer, unable to parse string as an"
                " integer [type=int_parsing]"
            ),
        ),
        (
            (
                "1 validation error for Order\ncustomer\n  Field required [type=missing, input_value={'id': «n»},"
                " input_type=dict]\n    For further information visit https://errors.pydantic.dev/2.14/v/missing"
            ),
            "1 validation error for Order: customer: Field required [type=missing]",
        ),
    ],
    "playwright": [
        (
            'Page.goto: Timeout 30000ms exceeded.\nCall log:\n  - navigating to "https://shop.example.com/«n»"',
            "Page.goto: Timeout 30000ms exceeded.",
        ),
        (
            'Locator.click: Timeout 30000ms exceeded.\nCall log:\n  - waiting for locator("#pay-«n»")',
            "Locator.click: Timeout 30000ms exceeded.",
        ),
        (
            "Page.goto: net::ERR_NAME_NOT_RESOLVED at https://shop.example.com/«n»",
            "Page.goto: net::ERR_NAME_NOT_RESOLVED at https://shop.example.com/<*>",
        ),
        (
            "Page.goto: net::ERR_CONNECTION_REFUSED at https://shop.example.com/«n»",
            "Page.goto: net::ERR_CONNECTION_REFUSED at https://shop.example.com/<*>",
        ),
    ],
    "Python, Java, JavaScript": [
        (
            "KeyError: 'amount_cents'",
            "KeyError: 'amount_cents'",
        ),
        (
            "KeyError: 'order_id'",
            "KeyError: 'order_id'",
        ),
        (
            "'NoneType' object has no attribute 'text'",
            "'NoneType' object has no attribute 'text'",
        ),
        (
            "'NoneType' object has no attribute 'json'",
            "'NoneType' object has no attribute 'json'",
        ),
        (
            (
                'Traceback (most recent call last):\n  File "/app/a.py", line «n», in pay\n    x = d["k"]\nKeyError:'
                " 'k'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most"
                ' recent call last):\n  File "/app/b.py", line «n», in <module>\nRuntimeError: payment «uuid» was not'
                " found"
            ),
            "RuntimeError: payment <id> was not found",
        ),
        (
            (
                '  + Exception Group Traceback (most recent call last):\n  |   File "a.py", line «n», in <module>\n '
                " | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)\n  +-+---------------- 1"
                ' ----------------\n    | Traceback (most recent call last):\n    |   File "a.py", line «n», in f\n  '
                "  | ValueError: no seat left\n    +------------------------------------"
            ),
            "ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception): ValueError: no seat left",
        ),
        (
            (
                "java.lang.IllegalStateException: session «uuid» is closed\n\tat"
                " com.example.Session.send(Session.java:«n»)\n\tat com.example.Agent.run(Agent.java:«n»)"
            ),
            "java.lang.IllegalStateException: session <id> is closed",
        ),
        (
            "TypeError: Cannot read properties of undefined (reading 'content')\n    at run (/app/agent.js:«n»:«n»)",
            "TypeError: Cannot read properties of undefined (reading 'content')",
        ),
        (
            "TypeError: Cannot read properties of undefined (reading 'choices')\n    at run (/app/agent.js:«n»:«n»)",
            "TypeError: Cannot read properties of undefined (reading 'choices')",
        ),
        (
            (
                'HTTP 500: {"errors": [{"message": "pool is empty", "extensions": {"code": "INTERNAL"}}], "trace_id":'
                ' "«hex»"}'
            ),
            "HTTP 500: INTERNAL: pool is empty",
        ),
    ],
}
COPIES = 7


def filled(message: str, chance: random.Random) -> str:
    """A message with other ids, numbers and names in it: «n» a number, «s» seconds, «hex», «uuid» and «req» ids, «word»
    a name."""
    makers: dict[str, Callable[[], str]] = {
        "n": lambda: str(chance.randrange(100, 10**6)),
        "s": lambda: f"{chance.uniform(0.1, 90):.3f}",
        "hex": lambda: f"{chance.getrandbits(60) | 1 << 59:015x}",
        "uuid": lambda: str(UUID(int=chance.getrandbits(128), version=4)),
        "req": lambda: "req_01" + "".join(chance.choices("ABCDEFGHJKMNPQRSTVWXYZ0123456789", k=6)) + "X7K",
        "word": lambda: "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=8)),
    }
    for name, maker in makers.items():
        while f"«{name}»" in message:
            message = message.replace(f"«{name}»", maker(), 1)
    return message


ALL = [cause for causes in CAUSES.values() for cause in causes]


@pytest.mark.parametrize("sdk", CAUSES)
def test_messages_of_one_cause_are_one_cluster_that_says_what_they_have_in_common(sdk: str) -> None:
    chance = random.Random(sdk)
    for message, expected in CAUSES[sdk]:
        found = clustered([filled(message, chance) for _ in range(COPIES)])
        assert [(cluster.message, len(cluster.members)) for cluster in found] == [(expected, COPIES)]


@pytest.mark.parametrize("seed", range(5))
def test_no_two_causes_are_one_cluster_however_often_each_is_there(seed: int) -> None:
    chance = random.Random(seed)
    causes = [cause for cause, (message, _) in enumerate(ALL) for _ in range(chance.choice([1, 3, 40]))]
    found = clustered([filled(ALL[cause][0], chance) for cause in causes])
    assert {len({causes[member] for member in cluster.members}) for cluster in found} == {1}


def test_all_causes_at_once_are_as_many_clusters() -> None:
    chance = random.Random(0)
    found = clustered([filled(message, chance) for message, _ in ALL for _ in range(COPIES)])
    assert sorted(cluster.message for cluster in found) == sorted(expected for _, expected in ALL)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KeyError: 'amount_cents'", "KeyError: 'order_id'"),
        ("HTTP 500: boom", "HTTP 404: boom"),
        ("status code 502 from crm", "status code 503 from crm"),
        ("GET https://crm.example.com/v1/orders/1 gave 503", "GET https://crm.example.com/v1/orders/1 gave 404"),
        ("[Errno 111] Connection refused", "[Errno 113] Connection refused"),
        ("ERROR: statement failed (SQLSTATE 23505)", "ERROR: statement failed (SQLSTATE 40001)"),
        ("ValueError: no seat left", "RuntimeError: no seat left"),
        ("'NoneType' object has no attribute 'text'", "'NoneType' object has no attribute 'json'"),
        ("No module named 'pandas'", "No module named 'numpy'"),
        ("The model `gpt-4o` does not exist", "The model `gpt-5` does not exist"),
        ("claude-sonnet-4-5 is overloaded", "gpt-5-mini is overloaded"),
        ("tool crm_lookup failed", "tool web_search failed"),
        ("gpt-5-mini is overloaded", "gpt-4-mini is overloaded"),
        ("KeyError: 'address_line1'", "KeyError: 'address_line2'"),
        ("upstream request failed: 500", "upstream request failed: 502"),
        ("ConnectError for url 'https://crm.example.com/1'", "ConnectError for url 'https://search.example.com/1'"),
        ("connection reset by peer", "connection closed by peer"),
        ('{"error": {"message": "failed", "code": "a_fault"}}', '{"error": {"message": "failed", "code": "b_fault"}}'),
    ],
)
@pytest.mark.parametrize("copies", [1, 30])
def test_what_names_the_fault_makes_two_causes(one: str, other: str, copies: int) -> None:
    assert len(clustered([one, other] * copies)) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order A-80254 timed out", "order B-1 timed out"),
        ("request req_01HZX7K3M9 failed", "request req_01J0ABCDEF failed"),
        ("trace 119a72d174c9df6acc011cdd9474031b lost", "trace 0b1f7c0e9df6acc011cdd94740000001 lost"),
        ("connect to 10.2.3.4:5432 refused", "connect to 10.2.9.9:5433 refused"),
        ("mail to jane@example.com bounced", "mail to bob.builder@example.org bounced"),
        ("shard-1 took 3.5 s", "shard-12 took 17 s"),
        ("read /tmp/a/b.txt: denied", "read /tmp/c/d/e.txt: denied"),
        ("used 900 KB", "used 1.2 MB"),
        ("access denied for user 'alice'", "access denied for user 'bob42'"),
        ("Limit 500, Used 499, Requested 20", "Limit 500, Used 31011, Requested 7"),
        ("since Tue Nov 17 06:13:38 2026 no answer", "since Wed Dec 2 16:00:01 2026 no answer"),
        ("ids 1, 2, 3 are unknown", "ids 4 are unknown"),
    ],
)
def test_what_only_differs_from_run_to_run_makes_one_cause(one: str, other: str) -> None:
    assert len(clustered([one, other])) == 1
