"""The ``filter`` of LangFuse: a JSON array of conditions that all must hold, over columns that a table names.

Which filter types fit a column, and what each operator compares, is read off the recorded answers and the OpenAPI
document of 4.16.0; what neither shows (empty values in metrics) off its source.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from deploy.stack.standin.refusals import BadRequestError, instant, invalid

Row = Mapping[str, Any]
Test = Callable[[Row], bool]
Reader = Callable[[Row], Any]

_FITTING: Mapping[str, tuple[str, ...]] = {
    # type of a column -> the types of conditions that fit it
    "string": ("string", "stringOptions"),
    "stringOptions": ("stringOptions", "string"),
    "arrayOptions": ("arrayOptions", "stringOptions"),
    "datetime": ("datetime",),
    "number": ("number",),
    "boolean": ("boolean",),
    "stringObject": ("stringObject",),
}

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda found, value: found == value,
    ">": lambda found, value: found > value,
    "<": lambda found, value: found < value,
    ">=": lambda found, value: found >= value,
    "<=": lambda found, value: found <= value,
}
_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda found, text: found == text,
    "contains": lambda found, text: text in found,
    "does not contain": lambda found, text: text not in found,
    "starts with": lambda found, text: found.startswith(text),
    "ends with": lambda found, text: found.endswith(text),
}
_LISTS: Mapping[str, Callable[[set[Any], set[Any]], bool]] = {
    "any of": lambda found, values: bool(found & values),
    "none of": lambda found, values: not found & values,
    "all of": lambda found, values: values <= found,
}


@dataclass(frozen=True)
class Column:
    """A column of a filter: its type, and how it is read. ``empty_is_null``: "" counts as no value at all, so that
    "none of" and "does not contain" do not find it (the dimensions of metrics)."""

    kind: str
    read: Reader
    empty_is_null: bool = False


def plain(kind: str, key: str, *, empty_is_null: bool = False) -> Column:
    """A column that is a key of the row."""
    return Column(kind, itemgetter(key), empty_is_null)


def conditions_of(filters: Any) -> list[Mapping[str, Any]]:
    """The conditions of a ``filter``, or of the ``filters`` of a query. Raises BadRequestError."""
    if not isinstance(filters, list) or not all(isinstance(each, dict) for each in filters):
        raise invalid({"expected": "array", "code": "invalid_type", "path": ["filter"]})
    return filters


def test_of(condition: Mapping[str, Any], columns: Mapping[str, Column]) -> Test:
    """The test of one condition. Raises BadRequestError."""
    name, kind = condition.get("column"), condition.get("type")
    column = columns.get(str(name))
    if column is None:
        raise BadRequestError(f"Column {name} does not match a UI / CH table mapping.")
    if kind == "null":
        return _null_test(column, condition)
    if kind not in _FITTING[column.kind]:
        expected = column.kind
        raise BadRequestError(f"Invalid filter type '{kind}' for column '{name}'. Expected filter type '{expected}'.")
    if kind == "stringObject":
        return _metadata_test(condition)
    if column.kind == "arrayOptions":
        return _list_test(column, condition)
    return _value_test(column, condition)


def stored(row: Row, key: str) -> str | None:
    """The value of a key of metadata as the server keeps and compares it; None: the row has no such key.

    SDK 5 sends texts as JSON, and the server compares them so, with their quotes; SDK 4 and this project's library
    send them plain. What an answer shows is decoded, and does not tell: the scope that sent the span does.
    """
    metadata = row["metadata"]
    if key not in metadata:
        return None
    value = metadata[key]
    if isinstance(value, str) and not (_is_sdk_5(metadata) and _is_metadata_of_the_user(key)):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _is_sdk_5(metadata: Mapping[str, Any]) -> bool:
    version = str(metadata.get("scope.version", "0")).partition(".")[0]
    return metadata.get("scope.name") == "langfuse-sdk" and version.isdigit() and int(version) >= 5


def _is_metadata_of_the_user(key: str) -> bool:
    return not key.startswith(("scope.", "resourceAttributes.", "attributes."))


def _operator(condition: Mapping[str, Any], operators: Mapping[str, Callable[[Any, Any], bool]]) -> Any:
    found = operators.get(str(condition.get("operator")))
    if found is None:
        kind = condition.get("type")
        raise BadRequestError(f"Invalid operator '{condition.get('operator')}' for filter type '{kind}'.")
    return found


def _null_test(column: Column, condition: Mapping[str, Any]) -> Test:
    is_wanted = _operator(condition, {"is null": lambda *_: True, "is not null": lambda *_: False})(None, None)

    def test(row: Row) -> bool:
        found = column.read(row)
        return bool((found is None or found == "") == is_wanted)

    return test


def _metadata_test(condition: Mapping[str, Any]) -> Test:
    compare, key, text = _operator(condition, _TEXT), condition.get("key"), condition.get("value")
    if not isinstance(key, str) or not isinstance(text, str):
        path = ["filter", "key" if not isinstance(key, str) else "value"]
        raise invalid({"expected": "string", "code": "invalid_type", "path": path})

    def test(row: Row) -> bool:
        found = stored(row, key)
        return found is not None and bool(compare(found, text))  # without the key nothing holds, not even "not"

    return test


def _list_test(column: Column, condition: Mapping[str, Any]) -> Test:
    compare, values = _operator(condition, _LISTS), set(_values(condition))
    return lambda row: bool(compare(set(column.read(row) or ()), values))


def _value_test(column: Column, condition: Mapping[str, Any]) -> Test:
    value = condition.get("value")
    match condition["type"]:
        case "datetime":
            until, compare = instant(str(value), "filter", "value"), _operator(condition, _ORDER)
            return _known(column, lambda found: compare(datetime.fromisoformat(found), until))
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise invalid({"expected": "number", "code": "invalid_type", "path": ["filter", "value"]})
            compare = _operator(condition, _ORDER)
            return _known(column, lambda found: compare(found, value))
        case "boolean":
            differs = _operator(condition, {"=": lambda *_: False, "<>": lambda *_: True})(None, None)
            return lambda row: (column.read(row) == value) != differs
        case "stringOptions":
            among, values = _operator(condition, _LISTS), set(_values(condition))
            return _unless_empty(column, condition, lambda row: bool(among({column.read(row)}, values)))
        case _:
            compare, text = _operator(condition, _TEXT), str(value)

            read = column.read

            def test(row: Row) -> bool:
                found = read(row)
                return bool(compare(found if isinstance(found, str) else "" if found is None else str(found), text))

            if condition.get("operator") == "=" and text:
                return lambda row: (found := read(row)) == text or (isinstance(found, int) and str(found) == text)

            return _unless_empty(column, condition, test)


def _unless_empty(column: Column, condition: Mapping[str, Any], test: Test) -> Test:
    if not column.empty_is_null or condition["operator"] not in ("none of", "does not contain"):
        return test
    return lambda row: bool(column.read(row)) and test(row)


def _values(condition: Mapping[str, Any]) -> Sequence[Any]:
    values = condition.get("value")
    if not isinstance(values, list):
        raise invalid({"expected": "array", "code": "invalid_type", "path": ["filter", "value"]})
    return values


def _known(column: Column, test: Callable[[Any], bool]) -> Test:
    return lambda row: (found := column.read(row)) is not None and test(found)
