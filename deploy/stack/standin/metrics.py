"""``GET /api/public/v2/metrics``: a query in, rows of dimensions and aggregated measures out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.stack.standin.filters import Column, Row, Test, conditions_of, plain, test_of
from deploy.stack.standin.refusals import BadRequestError, NotPlayedError, instant, invalid, json_of, option
from deploy.stack.standin.views import VIEWS, View, rows_of

ROW_LIMIT = 100
"""Rows of an answer where ``config.row_limit`` says nothing; time buckets count as rows."""
MAX_ROW_LIMIT = 1000

_QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
AGGREGATIONS = ("sum", "avg", "count", "max", "min", *_QUANTILES, "histogram")
GRANULARITIES = ("auto", "minute", "hour", "day", "week", "month")


def metrics_v2(
    observations: Sequence[Row], scores: Sequence[Row], parameters: Mapping[str, list[str]]
) -> dict[str, Any]:
    """The answer. Raises BadRequestError, and NotPlayedError for what the stand-in does not compute."""
    asked = json_of(parameters.get("query", ["{}"])[-1], "query")
    if not isinstance(asked, dict):
        raise invalid({"expected": "object", "code": "invalid_type", "path": ["query"]})
    name = option(asked.get("view"), tuple(VIEWS), "query", "view")
    query = _Query(name, asked)
    rows = rows_of(name, query.used, observations, scores, query.is_in_window)
    return {"data": query.answer([row for row in rows if all(test(row) for test in query.tests)])}


class _Query:
    """A query that was checked."""

    def __init__(self, name: str, asked: Mapping[str, Any]) -> None:
        view = VIEWS[name]
        self.since, self.until = (
            instant(str(asked.get(key)), "query", key) for key in ("fromTimestamp", "toTimestamp")
        )
        if self.since >= self.until:
            raise invalid({"code": "custom", "path": ["query"], "message": "Invalid input"})
        self.dimensions = [str(each.get("field")) for each in asked.get("dimensions") or ()]
        self.order = [
            (str(each.get("field")), option(each.get("direction"), ("asc", "desc"), "query", "orderBy") == "desc")
            for each in asked.get("orderBy") or ()
        ]
        self.granularity = _granularity(asked, self.until - self.since)
        self.limit = (asked.get("config") or {}).get("row_limit", ROW_LIMIT)
        if not isinstance(self.limit, int) or not 1 <= self.limit <= MAX_ROW_LIMIT:
            raise invalid({"code": "too_big", "maximum": MAX_ROW_LIMIT, "path": ["query", "config", "row_limit"]})
        self.metrics = _metrics_of(asked, view)
        _check_cardinality(self, view, has_limit="row_limit" in (asked.get("config") or {}))
        for field in self.dimensions:
            if field not in view.names:
                raise BadRequestError(f"Invalid dimension {field}. Must be one of {','.join(view.names)}")
            if field not in view.dimensions:
                raise NotPlayedError(f"dimension {field}")
        self._columns = view.dimensions
        self._time = view.time
        conditions = conditions_of(asked.get("filters") or [])
        self.used = {*self.dimensions, *(str(each.get("column")) for each in conditions)}
        self.tests = [_test(condition, view) for condition in conditions]
        for field, _ in self.order:
            if field not in (*self.dimensions, *self.metrics, *(["time_dimension"] if self.granularity else [])):
                said = f"Invalid orderBy field: {field}. Must be one of the dimension or metric fields."
                raise BadRequestError(said)

    def is_in_window(self, row: Row, key: str) -> bool:
        # Both ends belong to it: unlike the time of v2 observations, whose end does not.
        return self.since <= datetime.fromisoformat(row[key]) <= self.until

    def answer(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            groups.setdefault(self._group(row), []).append(row)
        if not groups and not self.dimensions and not self.granularity:
            groups[()] = []  # a total of nothing is still a row
        found = [self._row(group, members) for group, members in groups.items()]
        if self.granularity and not self.order:
            found += self._empty_buckets({row["time_dimension"] for row in found})
        for field, is_descending in reversed(self.order or self._default_order()):
            # Stable: so the first field decides last. What has no value comes last in either direction.
            known = [row for row in found if row[field] is not None]
            known.sort(key=lambda row, field=field: row[field], reverse=is_descending)  # type: ignore[misc]
            found = [*known, *(row for row in found if row[field] is None)]
        return found[: self.limit]

    def _default_order(self) -> list[tuple[str, bool]]:
        return [("time_dimension", False)] if self.granularity else [(next(iter(self.metrics)), True)]

    def _group(self, row: Row) -> tuple[Any, ...]:
        values = (self._columns[name].read(row) for name in self.dimensions)
        group = tuple(tuple(value) if isinstance(value, list) else None if value == "" else value for value in values)
        if not self.granularity:
            return group
        return (*group, _bucket(datetime.fromisoformat(row[self._time]), self.granularity))

    def _row(self, group: tuple[Any, ...], members: Sequence[Row]) -> dict[str, Any]:
        values = (list(value) if isinstance(value, tuple) else value for value in group)
        shown = dict(zip(self.dimensions, values, strict=False))
        if self.granularity:
            shown["time_dimension"] = group[-1]
        return {**shown, **{name: aggregate(members) for name, aggregate in self.metrics.items()}}

    def _empty_buckets(self, filled: set[str]) -> list[dict[str, Any]]:
        """Zeros for the buckets without a row. The bucket of the window's end is not among them."""
        blank = {**dict.fromkeys(self.dimensions), **dict.fromkeys(self.metrics, 0)}
        time, end = self.since, _bucket(self.until, self.granularity)
        buckets: list[str] = []
        while (bucket := _bucket(time, self.granularity)) < end:
            if not buckets or buckets[-1] != bucket:
                buckets.append(bucket)
            time += timedelta(minutes=1) if self.granularity == "minute" else timedelta(hours=1)
        return [
            {**{name: blank[name] for name in self.dimensions}, "time_dimension": bucket}
            | {name: blank[name] for name in self.metrics}
            for bucket in buckets
            if bucket not in filled
        ]


def _metrics_of(asked: Mapping[str, Any], view: View) -> dict[str, Callable[[Sequence[Row]], Any]]:
    metrics = asked.get("metrics") or []
    if not metrics:
        raise invalid({"code": "too_small", "minimum": 1, "path": ["query", "metrics"]})
    found: dict[str, Callable[[Sequence[Row]], Any]] = {}
    for index, metric in enumerate(metrics):
        measure = str(metric.get("measure"))
        how = option(metric.get("aggregation"), AGGREGATIONS, "query", "metrics", str(index), "aggregation")
        if measure not in view.measures:
            raise BadRequestError(f"Invalid metric {measure}. Must be one of {','.join(view.measures)}")
        if how == "histogram":
            raise NotPlayedError("aggregation histogram")
        found[f"{how}_{measure}"] = _aggregation(how, view.measures[measure])
    return found


def _aggregation(how: str, read: Callable[[Row], Any]) -> Callable[[Sequence[Row]], Any]:
    def aggregate(rows: Sequence[Row]) -> Any:
        values = [value for row in rows if (value := read(row)) is not None]
        return _number(_aggregated(how, values))

    return aggregate


def _aggregated(how: str, values: Sequence[float]) -> float | None:
    if how == "count":
        return len(values)
    if not values:
        return 0 if how == "sum" else None
    if how == "sum":
        return round(math.fsum(values), 12)  # the server sums decimals of twelve places
    if how == "avg":
        return math.fsum(values) / len(values)
    if how in ("max", "min"):
        return max(values) if how == "max" else min(values)
    return _quantile(sorted(values), _QUANTILES[how])


def _quantile(values: Sequence[float], share: float) -> float:
    # As ClickHouse does up to 8192 values, and for more from a sample of as many: between the two nearest ranks.
    position = share * (len(values) - 1)
    low = int(position)
    high = min(low + 1, len(values) - 1)
    return values[low] * (low + 1 - position) + values[high] * (position - low)


def _number(value: float | None) -> float | int | None:
    return int(value) if isinstance(value, float) and value.is_integer() else value  # JSON of JavaScript: 12, not 12.0


def _granularity(asked: Mapping[str, Any], window: timedelta) -> str:
    """How long a bucket is; "": none. ``auto`` depends on the window alone."""
    if not asked.get("timeDimension"):
        return ""
    named = option(asked["timeDimension"].get("granularity"), GRANULARITIES, "query", "timeDimension", "granularity")
    if named != "auto":
        return named
    hours = window / timedelta(hours=1)
    bounds = ((2, "minute"), (72, "hour"), (1440, "day"), (8760, "week"))
    return next((each for bound, each in bounds if hours < bound), "month")


def _bucket(time: datetime, granularity: str) -> str:
    time = time.astimezone(UTC)
    match granularity:
        case "minute":
            return time.strftime("%Y-%m-%dT%H:%M:00Z")
        case "hour":
            return time.strftime("%Y-%m-%dT%H:00:00Z")
        case "week":
            return (time - timedelta(days=time.weekday())).strftime("%Y-%m-%d")
        case "month":
            return time.strftime("%Y-%m-01")
        case _:
            return time.strftime("%Y-%m-%d")


def _check_cardinality(query: _Query, view: View, *, has_limit: bool) -> None:
    high = [name for name in query.dimensions if name in view.high_cardinality]
    if not high:
        return
    named = f"High cardinality dimension(s) '{', '.join(high)}'"
    if query.granularity:
        said = "cannot be used with timeDimension. "
        said += "Time series queries with high cardinality dimensions produce unbounded result sets."
        raise BadRequestError(f"{named} {said}")
    descending = [field for field, is_descending in query.order if is_descending]
    if not has_limit or not descending:
        said = "require both 'config.row_limit' and 'orderBy' with direction 'desc' on a measure field."
        raise BadRequestError(f"{named} {said}")
    others = [field for field in descending if field not in query.metrics]
    if others:
        said = f"'{', '.join(others)}' {'is' if len(others) == 1 else 'are'} not a measure in this query."
        raise BadRequestError(f"{named} require 'orderBy' with direction 'desc' on a measure field. {said}")


def _test(condition: Mapping[str, Any], view: View) -> Test:
    """Dimensions and metadata can be filtered by, and nothing else: not statusMessage, nor a measure."""
    name, kind = str(condition.get("column")), condition.get("type")
    if name == "metadata" and kind != "stringObject":
        said = "Metadata filters require type 'stringObject' with a 'key' property"
        raise BadRequestError(f"Invalid filter for field 'metadata': {said}, not '{kind}'.")
    column = view.dimensions.get(name)
    if column is None and name == "metadata":
        column = plain("stringObject", "metadata")
    elif column is None and name in view.names:
        raise NotPlayedError(f"a filter by {name}")
    elif column is None and name == view.time_column:
        column = plain("datetime", view.time)
    elif column is None:
        listed = ",".join(view.names)
        raise BadRequestError(f"Invalid filter column {name}. Must be one of {listed} or {view.time_column}")
    if column.kind == "arrayOptions" and kind == "string":
        said = f"Array fields require type 'arrayOptions', not '{kind}'. "
        said += "Use operators like 'any of', 'all of', or 'none of' with an array of values."
        raise BadRequestError(f"Invalid filter for field '{name}': {said}")
    return test_of(condition, {name: Column(column.kind, column.read, column.empty_is_null)})
