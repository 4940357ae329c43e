"""The two parameters that are JSON, ``filter`` and ``query``, against what the OpenAPI document says of them.

It says so in the words of a description, of a regular form: "- `name` (type) - ..." is a column of a filter,
"- `name` - ..." a dimension or a measure, and "- type: "=", "contains"" the operators of a filter type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

# Columns that the document does not name, and the server takes.
RECORDED_COLUMNS = {"release": "string"}  # obs_release
# What the document allows, and the server refuses.
RECORDED_REFUSALS = {("metadata", "numberObject")}  # obs_v2_filter_metadata_number
# Filter types that fit a column of another type.
RECORDED_FITS = {"string": ("stringOptions",)}  # filter_tracename_anyof, obs_type_tool, filter_traceid_anyof

_COLUMN = re.compile(r"^- `(\w+)` \(([\w/]+)\)(.*?)(?=^- |^#|\Z)", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r"^- `(\w+)` - ", re.MULTILINE)
_OPERATORS = re.compile(r"// - ([\w/]+): (.*)$", re.MULTILINE)
_QUERY_KEYS = {
    *("view", "dimensions", "metrics", "filters", "timeDimension"),
    *("fromTimestamp", "toTimestamp", "orderBy", "config"),
}


def filter_mistakes(text: str, described: str, *, needs_window: bool) -> Iterator[str]:
    """What is wrong with a ``filter``. ``needs_window``: without startTime in it, nothing is found."""
    try:
        conditions = json.loads(text)
    except ValueError:
        yield "filter is no JSON"
        return
    if not isinstance(conditions, list):
        yield "filter is no array"
        return
    columns = {**documented_columns(described), **{name: (kind,) for name, kind in RECORDED_COLUMNS.items()}}
    for condition in conditions:
        yield from _condition_mistakes(condition, columns, _operators(described))
    if needs_window and "startTime" not in [each.get("column") for each in conditions if isinstance(each, dict)]:
        yield "a filter that does not repeat the window finds nothing"  # obs_v2_filter_plus_query_ignored


def query_mistakes(text: str, described: str, structure: str) -> Iterator[str]:
    """What is wrong with a ``query`` of metrics: ``described`` lists the views, ``structure`` the operators."""
    try:
        query = json.loads(text)
    except ValueError:
        yield "query is no JSON"
        return
    view = documented_views(described).get(query.get("view"))
    if view is None:
        yield f"no view {query.get('view')!r}"
        return
    for key in query.keys() - _QUERY_KEYS:
        yield f"no {key} in a query"
    yield from _window_mistakes(query)
    dimensions = [each["field"] for each in query.get("dimensions") or ()]
    for name in dimensions:
        if name not in view.dimensions and name not in view.high_cardinality:
            yield f"no dimension {name}"
    yield from _metric_mistakes(query, view, described)
    yield from _order_mistakes(query, dimensions, view)
    columns = {name: _KINDS.get(name, ("string",)) for name in (*view.dimensions, *view.high_cardinality)}
    if query["view"] == "observations":
        columns["metadata"] = ("stringObject",)
    for condition in query.get("filters") or ():
        yield from _condition_mistakes(condition, columns, _operators(structure))


def mistake_in_time(name: str, value: Any) -> Iterator[str]:
    """LangFuse refuses a time without an offset (date_naive)."""
    try:
        is_right = datetime.fromisoformat(str(value)).tzinfo is not None and "T" in str(value)
    except ValueError:
        is_right = False
    if not is_right:
        yield f"{name} is {value!r}, no time with an offset"


@dataclass(frozen=True)
class DocumentedView:
    """What a view of metrics has; ``high_cardinality``: dimensions that need a limit and an order."""

    dimensions: set[str]
    measures: set[str]
    high_cardinality: set[str]


# The document gives the dimensions of metrics no types, but for these in its words.
_KINDS = {
    "isRootObservation": ("boolean",),
    "tags": ("arrayOptions",),
    "value": ("number",),
    "booleanValue": ("boolean",),
}


def _condition_mistakes(
    condition: Any, columns: Mapping[str, tuple[str, ...]], operators: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    if not isinstance(condition, dict):
        yield f"a condition is {condition!r}, no object"
        return
    name, kind, operator = (str(condition.get(key)) for key in ("column", "type", "operator"))
    if condition.keys() - {"column", "type", "operator", "value", "key"}:
        yield f"no {sorted(condition.keys() - {'column', 'type', 'operator', 'value', 'key'})} in a condition"
    if name not in columns:
        yield f"no column {name}"
        return
    fitting = {*columns[name], *(more for each in columns[name] for more in RECORDED_FITS.get(each, ())), "null"}
    if kind not in fitting or (name, kind) in RECORDED_REFUSALS:
        yield f"the type {kind} does not fit the column {name}"
    elif operator not in operators.get(kind, ()):
        yield f"no operator {operator!r} for {kind}"
    elif operator == "matches" and name not in ("input", "output", "metadata"):
        yield f"matches does not work on {name}"
    if ("key" in condition) != (kind in ("stringObject", "numberObject", "booleanObject", "categoryOptions")):
        yield f"{name} of type {kind}: a key belongs to objects, and to nothing else"
    yield from _value_mistakes(name, kind, condition.get("value"))


def _value_mistakes(name: str, kind: str, value: Any) -> Iterator[str]:
    if kind == "datetime":
        yield from mistake_in_time(name, value)
    elif kind in ("number", "numberObject"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{name} is compared with {value!r}, no number"
    elif kind in ("boolean", "booleanObject"):
        if not isinstance(value, bool):
            yield f"{name} is compared with {value!r}, neither true nor false"
    elif kind in ("stringOptions", "arrayOptions", "categoryOptions"):
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            yield f"{name} is compared with {value!r}, no list of texts"
    elif kind in ("string", "stringObject") and not isinstance(value, str):
        yield f"{name} is compared with {value!r}, no text"


def _window_mistakes(query: Mapping[str, Any]) -> Iterator[str]:
    times = [query.get(key) for key in ("fromTimestamp", "toTimestamp")]
    wrong = [
        mistake
        for key, time in zip(("fromTimestamp", "toTimestamp"), times, strict=True)
        for mistake in mistake_in_time(key, time)
    ]
    yield from wrong
    if not wrong and datetime.fromisoformat(str(times[0])) >= datetime.fromisoformat(str(times[1])):
        yield "the window ends before it begins"


def _metric_mistakes(query: Mapping[str, Any], view: DocumentedView, described: str) -> Iterator[str]:
    metrics = query.get("metrics") or ()
    if not metrics:
        yield "no metrics"
    aggregations = _listed(described, "Aggregations")
    for metric in metrics:
        if metric.get("measure") not in view.measures:
            yield f"no measure {metric.get('measure')}"
        if metric.get("aggregation") not in aggregations:
            yield f"no aggregation {metric.get('aggregation')}"
    granularity = (query.get("timeDimension") or {"granularity": "auto"}).get("granularity")
    if granularity not in _listed(described, "Time Granularities"):
        yield f"no granularity {granularity}"
    for key, value in (query.get("config") or {}).items():
        largest = {"row_limit": 1000, "bins": 100}.get(key)
        if largest is None:
            yield f"no {key} in config"
        elif not isinstance(value, int) or not 1 <= value <= largest:
            yield f"{key} is {value!r}, not 1 to {largest}"


def _order_mistakes(query: Mapping[str, Any], dimensions: Collection[str], view: DocumentedView) -> Iterator[str]:
    names = {f"{each.get('aggregation')}_{each.get('measure')}" for each in query.get("metrics") or ()}
    order = query.get("orderBy") or ()
    for each in order:
        if each.get("direction") not in ("asc", "desc"):
            yield f"no direction {each.get('direction')}"
        if each.get("field") not in {*names, *dimensions, *(["time_dimension"] if query.get("timeDimension") else [])}:
            yield f"no field {each.get('field')} to order by"
    high = sorted(set(dimensions) & set(view.high_cardinality))
    is_ordered = any(each.get("direction") == "desc" and each.get("field") in names for each in order)
    if high and (not is_ordered or "row_limit" not in (query.get("config") or {}) or query.get("timeDimension")):
        # metrics_v2_highcard_400; the document allows them not at all
        yield f"{', '.join(high)} need config.row_limit and a descending order by a measure"


@cache
def documented_columns(described: str) -> Mapping[str, tuple[str, ...]]:
    """The columns of a filter, and the types that each has."""
    found: dict[str, tuple[str, ...]] = {}
    listed = described.partition("## Available Columns")[2].partition("## Filter Examples")[0]
    for name, kinds, rest in _COLUMN.findall(listed):
        for each in (name, *re.findall(r"alias: `(\w+)`", rest)):
            found[each] = tuple(kinds.split("/"))
    return found


@cache
def _operators(described: str) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for kinds, said in _OPERATORS.findall(described):
        for kind in kinds.split("/"):
            same = found.get(kind.removesuffix("Object"), ())
            found[kind] = same if said.startswith("same as") else tuple(re.findall(r'"([^"]+)"', said))
    return found


@cache
def documented_views(described: str) -> Mapping[str, DocumentedView]:
    """The views of metrics."""
    sections = dict(re.findall(r"^### ([\w-]+)\n(.*?)(?=^##)", described, re.MULTILINE | re.DOTALL))
    high = described.partition("## High Cardinality Dimensions")[2].partition("\n## ")[0]
    of_observations, _, of_scores = high.partition("**scores-numeric")
    parts = {name: section.partition("**Measures:**") for name, section in sections.items()}
    dimensions = {name: set(_ITEM.findall(before)) for name, (before, _, _) in parts.items()}
    # "the same ... as scores-numeric, plus", and "same ... except uses `stringValue` instead of `value`"
    dimensions["scores-boolean"] |= dimensions["scores-numeric"]
    dimensions["scores-categorical"] |= dimensions["scores-numeric"] - {"value"} | {"stringValue"}
    return {
        name: DocumentedView(
            dimensions[name],
            set(_ITEM.findall(after)),
            set(_ITEM.findall(of_observations if name == "observations" else of_scores)),
        )
        for name, (_, _, after) in parts.items()
    }


def _listed(described: str, title: str) -> Collection[str]:
    said = described.partition(f"## {title}\n")[2].partition("\n- ")[0].partition("\n## ")[0]
    return set(re.findall(r"`(\w+)`", said))
