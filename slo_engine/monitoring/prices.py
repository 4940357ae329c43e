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

_PER_MILLION: Final = 1e-6
_DEAREST: Final = 1e9
"""USD for a million tokens above which a price is a mistake."""

_KEYS: Final = ("input", "output", "cached", "cache_write")
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


@dataclass(frozen=True)
class Rates:
    """US dollars for a million tokens. ``cached`` and ``cache_write`` None: as ``input``.

    ``above``: other rates for the whole call once its input has more tokens than this, the highest that fits.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    above: tuple[tuple[int, Rates], ...] = ()

    def cost(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0, cache_write_tokens: int = 0) -> float:
        """US dollars of a call; cached and written tokens are parts of the input."""
        for threshold, rates in reversed(self.above):
            if input_tokens > threshold:
                return rates.cost(input_tokens, output_tokens, cached_tokens, cache_write_tokens)
        if not (cached_tokens or cache_write_tokens):
            return (input_tokens * self.input + output_tokens * self.output) * _PER_MILLION
        cached = min(cached_tokens, input_tokens)
        written = min(cache_write_tokens, input_tokens - cached)
        dollars = (
            (input_tokens - cached - written) * self.input
            + cached * (self.input if self.cached is None else self.cached)
            + written * (self.input if self.cache_write is None else self.cache_write)
            + output_tokens * self.output
        )
        return dollars * _PER_MILLION


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
        self._known: dict[str, Rates | None] = {}
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock", threading.Lock)

    def cost(
        self, model: str, input_tokens: int, output_tokens: int, cached_tokens: int = 0, cache_write_tokens: int = 0
    ) -> float | None:
        """US dollars of a call, None if the price of its model is not known. An unknown price is never 0."""
        try:
            rates = self._known[model]
        except KeyError:
            rates = self.rates(model)
        return None if rates is None else rates.cost(input_tokens, output_tokens, cached_tokens, cache_write_tokens)

    def rates(self, model: str) -> Rates | None:
        """The rates of a model, None if they are not known."""
        if model in self._known:
            return self._known[model]
        found = self._look_up(model)
        if len(model) <= _LONGEST_NAME:
            with self._lock:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[model] = found
        return found

    def _look_up(self, model: str) -> Rates | None:
        if len(model) > _LONGEST_NAME:
            return self._own.get(model)
        for name in (model, *_names(model)):
            if name in self._own:
                return self._own[name]
        for name in _names(model):
            found = (self._catalogue.rates(name) if self._catalogue is not None else None) or _bundled().get(name)
            if found is not None:
                return found
        return None


def _names(model: str) -> Iterator[str]:
    """The names under which a model may be listed, the most exact one first."""
    seen = set()
    name = model.lower()
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
    return Rates(float(rates["input"]), float(rates["output"]), rates.get("cached"), rates.get("cache_write"))


@cache
def _bundled() -> dict[str, Rates]:
    """The table that comes with the package; see its own ``source``."""
    table = json.loads((files("slo_engine.monitoring") / "prices.json").read_text(encoding="utf-8"))
    return {model: _bundled_rates(entry) for model, entry in table["models"].items()}


def _bundled_rates(entry: Sequence[Any]) -> Rates:
    *numbers, above = entry
    in_, out, cached, cache_write = numbers
    higher = tuple((threshold, _bundled_rates([*rates, []])) for threshold, *rates in above)
    return Rates(in_, out, cached, cache_write, higher)


_MAKERS: Final = ("openai", "google", "anthropic", "mistral", "cohere", "voyageai", "deepseek", "x-ai", "aws")


class _GenaiPrices:
    """genai-prices as a table of rates. Its own arithmetic is exact and takes 140 us a call; looking up takes one."""

    def __init__(self) -> None:
        import genai_prices

        self._module = genai_prices
        self._one_token = genai_prices.Usage(input_tokens=1, output_tokens=1)
        self.rates("gpt-4o")  # loads its tables here, where an agent is declared, and not where one runs

    def rates(self, model: str) -> Rates | None:
        provider, _, bare = model.partition("/")
        # As it is; by the provider that its name begins with; by those who sell models of their own.
        for name, provider_id in ((model, None), (bare, provider), *((model, each) for each in _MAKERS)):
            if not name:
                continue
            try:
                price = self._module.calc_price(self._one_token, name, provider_id=provider_id).model_price
            except (LookupError, ValueError):
                continue
            return from_genai(price)
        return None


def from_genai(price: Any) -> Rates | None:
    """A price of genai-prices as rates; None if it is not by tokens."""
    names = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
    listed = [getattr(price, name, None) for name in names]
    if listed[0] is None:  # priced by requests, images or seconds: not ours to guess
        return None
    if listed[1] is None:  # an embedding says nothing
        listed[1] = 0
    thresholds = sorted({tier.start for value in listed for tier in getattr(value, "tiers", ())})
    return _rates_at(listed, 0, tuple((start, _rates_at(listed, start)) for start in thresholds))


def _rates_at(listed: Sequence[Any], threshold: int, above: tuple[tuple[int, Rates], ...] = ()) -> Rates:
    in_, out, cached, cache_write = (_price_at(value, threshold) for value in listed)
    assert in_ is not None
    assert out is not None
    return Rates(in_, out, cached, cache_write, above)


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
