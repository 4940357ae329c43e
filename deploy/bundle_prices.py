"""Write ``slo_engine/monitoring/prices.json`` from genai-prices: ``make prices``.

The table that an agent without genai-prices falls back to: models of text, of the providers that agents mostly call.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import data

from slo_engine.monitoring.prices import Rates, from_genai

PROVIDERS = ("openai", "anthropic", "google", "mistral", "deepseek", "groq", "x-ai", "cohere")
TARGET = Path(__file__).parent.parent / "slo_engine" / "monitoring" / "prices.json"


def main() -> int:
    """Write the table, and say what is in it."""
    now = datetime.now(UTC)
    models: dict[str, Any] = {}
    for provider in data.providers:
        if provider.id not in PROVIDERS:
            continue
        for model in provider.models:
            rates = from_genai(model.get_prices(now))
            if rates is not None and (rates.input or rates.output):
                models.setdefault(model.id.lower(), as_list(rates))
    table = {
        "source": f"genai-prices {version('genai-prices')} (https://github.com/pydantic/genai-prices, MIT licence)",
        "as_of": now.date().isoformat(),
        "unit": (
            "USD for a million tokens: input, output, cached, cache_write, cache_write_1h, "
            "[[above so many input tokens, ...]]"
        ),
        "models": dict(sorted(models.items())),
    }
    text = json.dumps(table, indent=1)
    # A model a line: diffs show which price changed.
    lines = [f'  "{name}": {json.dumps(rates)}' for name, rates in sorted(models.items())]
    text = text[: text.index('"models"')] + '"models": {\n' + ",\n".join(lines) + "\n }\n}\n"
    json.loads(text)
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET.name}: {len(models)} models, {len(text)} bytes")
    return 0


def as_list(rates: Rates) -> list[Any]:
    """As `prices._bundled_rates` reads it."""
    numbers = [rates.input, rates.output, rates.cached, rates.cache_write, rates.cache_write_1h]
    return [*numbers, [[start, *as_list(higher)[:-1]] for start, higher in rates.above]]


if __name__ == "__main__":
    sys.exit(main())
