"""A provider's client whose calls of models are recorded, by whichever door they are made.

The SDKs of OpenAI, Anthropic and others that Stainless generates send everything through one method of the client,
``request``: plain and beta methods, `parse`, streams and their helpers, raw responses, tool runners, and retries.
"""

from __future__ import annotations

import functools
import inspect
import json
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Any, Final, NamedTuple

from slo_engine.monitoring.calls import LLMCall
from slo_engine.monitoring.nearest import remember
from slo_engine.monitoring.run import run_or_outside
from slo_engine.monitoring.streams import abandon, monitored_stream
from slo_engine.monitoring.usage import LLMUsage, is_stream, usage_of

_MARK: Final = "__slo_engine_monitored__"

is_asking: Final[ContextVar[bool]] = ContextVar("slo_engine_client_asks", default=False)
"""Whether a client is asking a model: its call is counted already, whoever sees it from within (an SDK's own spans)."""


class Endpoint(NamedTuple):
    """What is asked of a model by a POST."""

    input_key: str
    """The field of the body that holds what the model is told."""
    call_type: str | None = None
    """None: what the answer says."""


def monitor_client(client: Any, endpoints: Mapping[str, Endpoint]) -> None:
    """Record every POST of ``client`` to one of the ``endpoints`` (by path), and those of the clients that are made
    from it (``with_options``). The object alone is changed, not its class."""
    request = getattr(client, "request", None)
    if request is None:
        raise TypeError(
            f"{type(client).__name__} is no client of the provider's SDK: give its OpenAI(), Anthropic(), ..."
        )
    if hasattr(request, _MARK):
        return
    record = _recorded_async if inspect.iscoroutinefunction(inspect.unwrap(request)) else _recorded
    client.request = _marked(record(request, endpoints))
    for name in ("copy", "with_options"):
        if hasattr(client, name):
            setattr(client, name, _with_monitored_copies(getattr(client, name), endpoints))


def _recorded(request: Any, endpoints: Mapping[str, Endpoint]) -> Any:
    @functools.wraps(request)
    def call(cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        recorded = _begun(options, kwargs, endpoints)
        if recorded is None:
            return request(cast_to, options, *args, **kwargs)
        token = is_asking.set(True)
        try:
            answer = request(cast_to, options, *args, **kwargs)
        except BaseException as error:
            recorded.finish(error)
            raise
        finally:
            _no_longer_asking(token)
        return _finished(recorded, answer)

    return call


def _recorded_async(request: Any, endpoints: Mapping[str, Endpoint]) -> Any:
    @functools.wraps(request)
    async def call(cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        recorded = _begun(options, kwargs, endpoints)
        if recorded is None:
            return await request(cast_to, options, *args, **kwargs)
        token = is_asking.set(True)
        try:
            answer = await request(cast_to, options, *args, **kwargs)
        except BaseException as error:
            recorded.finish(error)
            raise
        finally:
            _no_longer_asking(token)
        return _finished(recorded, answer)

    return call


def _no_longer_asking(token: Token[bool]) -> None:
    with suppress(ValueError):  # closed in another context than it began in
        is_asking.reset(token)


def _begun(options: Any, kwargs: Mapping[str, Any], endpoints: Mapping[str, Endpoint]) -> LLMCall | None:
    """The call that a request is; None if it is none of a model."""
    endpoint = endpoints.get(str(getattr(options, "url", "")).partition("?")[0])
    if endpoint is None or str(getattr(options, "method", "")).lower() != "post":
        return None
    body = getattr(options, "json_data", None)
    asked = body if isinstance(body, Mapping) else {}
    model = asked.get("model")
    call = LLMCall(
        run_or_outside(), model if isinstance(model, str) else None, endpoint.call_type, asked.get(endpoint.input_key)
    )
    call.begin()
    if not kwargs.get("stream"):
        _look_before_it_is_parsed(options, call)
    return call


def _look_before_it_is_parsed(options: Any, call: LLMCall) -> None:
    """What `parse` cannot read was answered and billed all the same: take its usage before it is looked at."""
    parser = getattr(options, "post_parser", None)
    if not callable(parser):
        return

    def parse(answer: Any) -> Any:
        call.record(answer)
        return parser(answer)

    options.post_parser = parse


def _finished(call: LLMCall, answer: Any) -> Any:
    if is_stream(answer):
        return monitored_stream(answer, call)
    if hasattr(answer, "http_response") and callable(getattr(answer, "parse", None)):
        return _finished_raw(call, answer)
    call.record_unless_known(answer)
    call.finish()
    remember(answer)
    return answer


def _finished_raw(call: LLMCall, raw: Any) -> Any:
    """A raw response: of what has been read, the usage; of a stream, what is parsed of it."""
    try:
        body = raw.http_response.content
    except Exception:  # noqa: BLE001 - each SDK has an exception of its own for what is not read yet
        return _finished_when_parsed(call, raw)
    try:
        call.record_usage(usage_of(json.loads(body)) or LLMUsage(None))
    except ValueError:
        call.record_usage(LLMUsage(None))
    call.finish()
    return raw


def _finished_when_parsed(call: LLMCall, raw: Any) -> Any:
    parse, kind = raw.parse, type(raw)
    # Who reads it line by line parses nothing: counted, without its tokens, when it is dropped.
    weakref.finalize(raw, abandon, call).atexit = False
    if inspect.iscoroutinefunction(kind.parse):

        @functools.wraps(parse)
        async def parsed_async(*args: Any, **kwargs: Any) -> Any:
            return _finished(call, await kind.parse(raw, *args, **kwargs))

        raw.parse = parsed_async
        return raw

    @functools.wraps(parse)
    def parsed(*args: Any, **kwargs: Any) -> Any:
        return _finished(call, kind.parse(raw, *args, **kwargs))

    raw.parse = parsed
    return raw


def _with_monitored_copies(copy: Callable[..., Any], endpoints: Mapping[str, Endpoint]) -> Callable[..., Any]:
    @functools.wraps(copy)
    def made(*args: Any, **kwargs: Any) -> Any:
        client = copy(*args, **kwargs)
        monitor_client(client, endpoints)
        return client

    return made


def monitor_method(resource: Any, name: str, *, input_key: str, call_type: str | None = None) -> None:
    """Record every call of ``resource.name``, a sync or async method of an SDK that has no single way out; the object
    alone is changed, not its class.

    ``input_key``: the keyword argument that holds what the model is told. ``call_type`` None: what the answer says.
    """
    method = getattr(resource, name, None)
    if method is None or hasattr(method, _MARK):
        return

    def begun(kwargs: Mapping[str, Any]) -> LLMCall:
        model = kwargs.get("model")
        call = LLMCall(run_or_outside(), model if isinstance(model, str) else None, call_type, kwargs.get(input_key))
        call.begin()
        return call

    # The SDKs wrap their methods (deprecations, required arguments), so the kind is that of what is inside.
    is_async = inspect.iscoroutinefunction(inspect.unwrap(method))
    setattr(resource, name, _marked(_async_method(method, begun) if is_async else _method(method, begun)))


def _method(method: Callable[..., Any], begun: Callable[[Mapping[str, Any]], LLMCall]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        recorded = begun(kwargs)
        token = is_asking.set(True)
        try:
            answer = method(*args, **kwargs)
        except BaseException as error:
            recorded.finish(error)
            raise
        finally:
            _no_longer_asking(token)
        return _finished(recorded, answer)

    return call


def _async_method(method: Callable[..., Any], begun: Callable[[Mapping[str, Any]], LLMCall]) -> Callable[..., Any]:
    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        recorded = begun(kwargs)
        token = is_asking.set(True)
        try:
            answer = await method(*args, **kwargs)
        except BaseException as error:
            recorded.finish(error)
            raise
        finally:
            _no_longer_asking(token)
        return _finished(recorded, answer)

    return call


def _marked(function: Any) -> Any:
    setattr(function, _MARK, True)
    return function
