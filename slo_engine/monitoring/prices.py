"""What a call of a model costs, in US dollars, from plain numbers that are looked up once for each model."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from slo_engine.monitoring.forks import renew_after_fork
from slo_engine.monitoring.quiet import warn
from slo_engine.monitoring.usage.model import LLMUsage, TokenDetails

_PER_MILLION: Final = 1e-6
_DEAREST: Final = 1e9
"""USD for a million tokens above which a price is a mistake."""

_ROUNDING: Final = 1e-9
_PLAIN: Final = TokenDetails()

_KEYS: Final = ("input", "output", "cached", "cache_write", "cache_write_1h")
_REMEMBERED: Final = 1000
"""Models whose price, or want of one, is remembered. Agents make names up."""

_LONGEST_NAME: Final = 200

# `provider/model`, `region.provider.model-v1:0`, `models/model`, and the date or alias at a name's end.
_PREFIX: Final = re.compile(
    r"^(?:[\w-]+/)+|^(?:(?:us|eu|apac|global|jp|au)\.)?(?:anthropic|meta|mistral|amazon|cohere)\."
)
_SUFFIX: Final = re.compile(
    r"(?:[-@]20\d{2}-?\d{2}-?\d{2}(?:-v\d+(?::\d+)?)?|-v\d+:\d+|-latest|-preview(?:-\d{2}-\d{2,4})?|-exp|:[a-z]+)$"
)

_LOCAL: Final = frozenset(
    {
        *(
            "ollama",
            "ollama_chat",
            "vllm",
            "hosted_vllm",
            "lm_studio",
            "lmstudio",
            "llamafile",
            "llama_cpp",
            "llamacpp",
        ),
        *("xinference", "oobabooga", "petals", "triton", "docker_model_runner", "lemonade", "local", "localai", "mlx"),
    }
)
"""Before the ``/`` of a model that runs on one's own machine: what its provider takes for it says nothing."""

_AT_LIST_PRICE: Final = frozenset(
    {
        *(
            "openai",
            "azure",
            "azure_ai",
            "text-completion-openai",
            "anthropic",
            "bedrock",
            "bedrock_converse",
            "converse",
        ),
        *("vertex_ai", "vertex_ai_beta", "google", "gemini", "models", "publishers", "mistral", "mistralai", "cohere"),
        *("cohere_chat", "xai", "x-ai", "deepseek", "moonshot", "moonshotai", "voyage", "voyageai", "amazon", "meta"),
        *("zai", "minimax", "responses", "us", "eu", "apac", "global", "invoke"),
    }
)
"""Before the ``/`` of a model whose price does not depend on it."""

_RESELLERS: Final[Mapping[str, str]] = {
    "together_ai": "together",
    "together": "together",
    "fireworks_ai": "fireworks",
    "fireworks": "fireworks",
    "groq": "groq",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "cerebras": "cerebras",
    "novita": "novita",
    "baseten": "baseten",
    "databricks": "databricks",
    "cloudflare": "cloudflare",
    "ovhcloud": "ovhcloud",
    "github_copilot": "github-copilot",
}
"""Before the ``/`` of a model of somebody else's, at a price of the seller's own: as genai-prices calls the seller."""

_FINE_TUNED: Final[Mapping[str, tuple[float, float, float]]] = {
    "ft:gpt-4.1": (3.0, 12.0, 0.75),
    "ft:gpt-4.1-mini": (0.8, 3.2, 0.2),
    "ft:gpt-4.1-nano": (0.2, 0.8, 0.05),
    "ft:gpt-4o": (3.75, 15.0, 1.875),
    "ft:gpt-4o-mini": (0.3, 1.2, 0.15),
    "ft:gpt-3.5-turbo": (3.0, 6.0, 3.0),
    "ft:o4-mini": (4.0, 16.0, 1.0),
}
"""Input, output and cached, as OpenAI lists them for fine-tuned models, which genai-prices mostly does not have."""

STANDARD_TIERS: Final = frozenset({"", "default", "standard", "standard_only", "auto", "on_demand", "scale"})
"""What providers call the service that the listed prices are for."""


@dataclass(frozen=True)
class Rates:
    """US dollars for a million tokens. ``cached`` and ``cache_write`` None: as ``input``; ``cache_write_1h`` (of what
    is kept for an hour) None: twice ``input``, as Anthropic has it, who alone sells that.

    ``above``: other rates for the whole call once its input has more tokens than this, the highest that fits.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    above: tuple[tuple[int, Rates], ...] = ()
    cache_write_1h: float | None = None

    def cost(
        self,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
    ) -> float:
        """US dollars of a call; cached and written tokens are parts of the input, those for an hour of the written."""
        for threshold, rates in reversed(self.above):
            if input_tokens > threshold:
                return rates.cost(input_tokens, output_tokens, cached_tokens, cache_write_tokens, cache_write_1h_tokens)
        if not (cached_tokens or cache_write_tokens):
            return (input_tokens * self.input + output_tokens * self.output) * _PER_MILLION
        cached = min(cached_tokens, input_tokens)
        written = min(cache_write_tokens, input_tokens - cached)
        for_an_hour = min(cache_write_1h_tokens, written)
        dollars = (
            (input_tokens - cached - written) * self.input
            + cached * (self.input if self.cached is None else self.cached)
            + (written - for_an_hour) * (self.input if self.cache_write is None else self.cache_write)
            + for_an_hour * (2 * self.input if self.cache_write_1h is None else self.cache_write_1h)
            + output_tokens * self.output
        )
        return dollars * _PER_MILLION

    def output_cost(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars of the output alone: a part of `cost`."""
        for threshold, rates in reversed(self.above):
            if input_tokens > threshold:
                return rates.output_cost(input_tokens, output_tokens)
        return output_tokens * self.output * _PER_MILLION


class Prices:
    """Prices of models: your own first, then those of genai-prices if it is installed, then a small bundled table.

    ``own``: a mapping, or a JSON or TOML file, from a model's name to dollars for a million tokens::

        {"our-llama": {"input": 0.2, "output": 0.6, "cached": 0.05, "cache_write": 0.25}}

    ``genai_prices`` False: do not use that package. Nothing here ever touches the network. Raises ValueError for own
    prices that are none, OSError for a file that cannot be read.
    """

    def __init__(self, own: Mapping[str, Mapping[str, float]] | str | Path = {}, *, genai_prices: bool = True) -> None:  # noqa: B006 - only read
        self._own = _own_rates(own)
        self._catalogue = _genai_prices() if genai_prices else None
        self._known: dict[str | tuple[str, str], Rates | None] = {}
        self.by_token: dict[str, tuple[float, float]] = {}
        """Of models that were looked up and whose price does not depend on the length of the input: US dollars of a
        token of input and of output. What most calls need, at a fifth of what `cost` takes."""
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock", threading.Lock)

    def cost(
        self,
        model: str,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
        service_tier: str | None = None,
    ) -> float | None:
        """US dollars of a call, None if the price of its model, or of its ``service_tier``, is not known. An unknown
        price is never 0."""
        try:
            rates = self._known[model if service_tier is None else (model, service_tier)]
        except KeyError:
            rates = self.rates(model, service_tier)
        if rates is None:
            return None
        return rates.cost(input_tokens, output_tokens, cached_tokens, cache_write_tokens, cache_write_1h_tokens)

    def cost_with(
        self, model: str, input_tokens: int, output_tokens: int, details: TokenDetails | None
    ) -> float | None:
        """`cost`, by the kinds of tokens; None as well for a call without tokens, or with some that no list prices."""
        if details is None:
            details = _PLAIN
        if not details.is_priced or not (input_tokens or output_tokens):
            return None
        cached, written, _, for_an_hour, tier, _ = details
        return self.cost(model, input_tokens, output_tokens, cached, written, for_an_hour, tier)

    def output_cost(self, usage: LLMUsage) -> float | None:
        """The part of a call's ``cost_usd`` that is its output's; None where it is not made of these prices."""
        model, tier = usage.name(), usage.service_tier
        rates = self._known.get(model if tier is None else (model, tier))
        if rates is None or usage.cost_usd is None:
            return None
        listed = rates.cost(*usage.tokens()[:4], usage.cache_write_1h_tokens)
        if abs(listed - usage.cost_usd) > _ROUNDING * listed:
            return None
        return rates.output_cost(usage.input_tokens, usage.output_tokens)

    def rates(self, model: str, service_tier: str | None = None) -> Rates | None:
        """The rates of a model, None if they are not known. ``service_tier``: as its provider tells it with an answer;
        own prices hold for all tiers."""
        key = model if service_tier is None else (model, service_tier)
        if key in self._known:
            return self._known[key]
        found = self._look_up(model, _context(service_tier))
        if len(model) <= _LONGEST_NAME:
            with self._lock:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                    self.by_token.clear()
                self._known[key] = found
                if found is not None and not found.above and service_tier is None:
                    self.by_token[model] = (found.input * _PER_MILLION, found.output * _PER_MILLION)
        return found

    def _look_up(self, model: str, context: Mapping[str, str]) -> Rates | None:
        if len(model) > _LONGEST_NAME:
            return self._own.get(model)
        for name in (model, *_names(model)):
            if name in self._own:
                return self._own[name]
        *sellers, _ = model.lower().split("/")
        if any(each in _LOCAL for each in sellers):
            return None
        if model.lower().endswith(":free"):
            return Rates(0.0, 0.0)
        if sellers and sellers[0] in _RESELLERS:
            _, _, rest = model.lower().partition("/")
            return self._catalogue.rates(rest, context, _RESELLERS[sellers[0]]) if self._catalogue is not None else None
        if sellers and sellers[0] not in _AT_LIST_PRICE:
            return None  # nobody knows who sells it
        for name in _names(model):
            found = self._catalogue.rates(name, context) if self._catalogue is not None else None
            if found is None and not context:
                found = _bundled().get(name)
            if found is not None:
                return found
        return None


def _context(service_tier: str | None) -> Mapping[str, str]:
    """As genai-prices tells the variants of a price apart; empty: the listed one."""
    tier = (service_tier or "").lower()
    if tier in STANDARD_TIERS:
        return {}
    if tier == "batch":
        return {"processing": "batch"}
    kind, _, value = tier.partition(":")
    return {kind: value} if value else {"service_tier": tier}


def _names(model: str) -> Iterator[str]:
    """The names under which a model may be listed, the most exact one first."""
    seen = set()
    name = model.lower()
    if name.startswith("ft:"):  # never at the price of the model that it was made from
        tuned = ":".join(name.split(":")[:2])
        yield from dict.fromkeys([name, tuned, _SUFFIX.sub("", tuned)])
        return
    bare = _PREFIX.sub("", name)
    for candidate in (name, bare, _SUFFIX.sub("", name), _SUFFIX.sub("", bare), _SUFFIX.sub("", _SUFFIX.sub("", bare))):
        if candidate and candidate not in seen:
            seen.add(candidate)
            yield candidate


def _own_rates(own: Mapping[str, Mapping[str, float]] | str | Path) -> dict[str, Rates]:
    where = "own prices"
    table: Any = own
    if isinstance(own, str | Path):
        where = str(own)
        table = _read(Path(own))
    if not isinstance(table, Mapping):
        raise ValueError(f"{where}: expected a mapping from models to their prices, not {type(table).__name__}")  # noqa: TRY004 - it is the value of a file
    return {str(model): _rates_from(rates, f"{where}: {model}") for model, rates in table.items()}


def _read(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    try:
        if path.suffix == ".toml":
            import tomllib

            return tomllib.loads(text)
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # JSONDecodeError and TOMLDecodeError are ValueErrors
        raise ValueError(
            f"{path}: {error}. Write the prices as JSON, or as TOML in a file that ends in .toml"
        ) from None


def _rates_from(rates: Any, where: str) -> Rates:
    if not isinstance(rates, Mapping):
        raise ValueError(f'{where}: expected {{"input": ..., "output": ...}} in USD for a million tokens')  # noqa: TRY004 - it is the value of a file
    unknown = set(rates) - set(_KEYS)
    if unknown:
        raise ValueError(f"{where}: {', '.join(sorted(map(str, unknown)))}: the keys are {', '.join(_KEYS)}")
    missing = {"input", "output"} - set(rates)
    if missing:
        raise ValueError(f"{where}: {' and '.join(sorted(missing))} is missing: USD for a million tokens")
    for key, price in rates.items():
        if isinstance(price, bool) or not isinstance(price, int | float) or not (0 <= price < _DEAREST):
            raise ValueError(f"{where}: {key} is {price!r}: write a number of USD for a million tokens, 0 or more")
    return Rates(
        float(rates["input"]),
        float(rates["output"]),
        rates.get("cached"),
        rates.get("cache_write"),
        cache_write_1h=rates.get("cache_write_1h"),
    )


@cache
def _bundled() -> dict[str, Rates]:
    """The table that comes with the package; see its own ``source``."""
    table = json.loads((files("slo_engine.monitoring") / "prices.json").read_text(encoding="utf-8"))
    listed = {model: _bundled_rates(entry) for model, entry in table["models"].items()}
    return {model: Rates(*rates) for model, rates in _FINE_TUNED.items()} | listed


def _bundled_rates(entry: Sequence[Any]) -> Rates:
    *numbers, above = entry
    in_, out, cached, cache_write, cache_write_1h = numbers
    higher = tuple((threshold, _bundled_rates([*rates, []])) for threshold, *rates in above)
    return Rates(in_, out, cached, cache_write, higher, cache_write_1h)


_MAKERS: Final = ("openai", "google", "anthropic", "mistral", "cohere", "voyageai", "deepseek", "x-ai", "aws")


class _GenaiPrices:
    """genai-prices as a table of rates. Its own arithmetic is exact and takes 140 us a call; looking up takes one."""

    def __init__(self) -> None:
        import genai_prices

        self._module = genai_prices
        self._one_token = genai_prices.Usage(input_tokens=1, output_tokens=1)
        self.rates("gpt-4o", {})  # loads its tables here, where an agent is declared, and not where one runs

    def rates(self, model: str, context: Mapping[str, str], seller: str | None = None) -> Rates | None:
        """Of a model, as ``seller`` sells it; None if there are none for this model in this ``context``."""
        provider, _, bare = model.partition("/")
        # As it is; by the provider that its name begins with; by those who sell models of their own.
        places = [(model, None), (bare, provider), *((model, each) for each in _MAKERS)]
        for name, provider_id in places if seller is None else [(model, seller)]:
            if not name:
                continue
            try:
                found = self._module.calc_price(self._one_token, name, provider_id=provider_id, price_context=context)
            except (LookupError, ValueError):
                continue
            if not _is_of_family(name, found.model.id):
                continue
            variants = getattr(found.model, "price_variants", None) or ()
            if context and not any(each.when == context for each in variants):
                return None
            return from_genai(found.model_price)
        return None


_FAMILY: Final = re.compile(r"(?:.*[/.])?([a-z]+)")


def _is_of_family(name: str, listed: str) -> bool:
    """Whether a name begins as that of the model that was found for it: genai-prices finds some by what they contain,
    and nobody knows what a ``my-claude-sonnet-4-5`` costs."""
    found, own = _FAMILY.match(listed.lower()), name.lower().rpartition("/")[2]
    return found is None or found[1] not in own or re.search(rf"(?<![a-z0-9_-]){found[1]}", own) is not None


def from_genai(price: Any) -> Rates | None:
    """A price of genai-prices as rates; None if it is not by tokens."""
    names = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
    listed = [getattr(price, name, None) for name in names]
    if listed[0] is None:  # priced by requests, images or seconds: not ours to guess
        return None
    if listed[1] is None:  # an embedding says nothing
        listed[1] = 0
    thresholds = sorted({tier.start for value in listed for tier in getattr(value, "tiers", ())})
    return _rates_at(listed, 0, tuple((start, _rates_at(listed, start)) for start in thresholds))


def _rates_at(listed: Sequence[Any], threshold: int, above: tuple[tuple[int, Rates], ...] = ()) -> Rates:
    in_, out, cached, cache_write, cache_write_1h = (_price_at(value, threshold) for value in listed)
    assert in_ is not None
    assert out is not None
    return Rates(in_, out, cached, cache_write, above, cache_write_1h)


def _price_at(value: Any, threshold: int) -> float | None:
    if value is None:
        return None
    if not hasattr(value, "tiers"):
        return float(value)
    fitting = [tier.price for tier in value.tiers if 0 < tier.start <= threshold]
    return float(fitting[-1] if fitting else value.base)


@cache
def _genai_prices() -> _GenaiPrices | None:
    try:
        return _GenaiPrices()
    except ImportError:
        return None
    except Exception as error:  # noqa: BLE001 - a price list that does not load must not stop an agent
        warn(f"genai-prices could not be used ({type(error).__name__}): the bundled prices are")
        return None
