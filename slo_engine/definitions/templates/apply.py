"""``sli: {template: name, ...}`` -> the SLI that the template makes, or every mistake in it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from slo_engine.definitions.kinds import Sli
from slo_engine.definitions.templates import NOT_TOLD, TEMPLATES, Template
from slo_engine.definitions.templates.template import detail, misfit

KEY = "template"
"""The key that names the template; the others beside it are its parameters."""


def apply(data: Mapping[Any, Any]) -> Sli:
    """The SLI. Raises ValidationError with a place and words for each mistake."""
    template = _template(data[KEY])
    written = {key: value for key, value in data.items() if key != KEY}
    mistakes = list(_foreign(template, written))
    try:
        sli = template.sli(template.parameters.model_validate({k: v for k, v in written.items() if k in template.keys}))
    except ValidationError as error:
        mistakes += [_again(each) for each in error.errors(include_url=False)]
    if mistakes:
        raise ValidationError.from_exception_data("template", mistakes)
    return sli


def _template(name: Any) -> Template[Any]:
    if not isinstance(name, str):
        wrong = InitErrorDetails(type="string_type", loc=(KEY,), input=name)
        raise ValidationError.from_exception_data("template", [wrong])
    if name in TEMPLATES:
        return TEMPLATES[name]
    exporter = name.partition("/")[0]
    of_exporter = [each for each in TEMPLATES if each.startswith(f"{exporter}/")]
    close = difflib.get_close_matches(name, of_exporter or TEMPLATES, n=1, cutoff=0.6 if of_exporter else 0.8)
    meant = f": did you mean {close[0]!r}? There" if close else "; there"
    why = f"; {NOT_TOLD[name]}" if name in NOT_TOLD else f"{meant} are {', '.join(of_exporter or TEMPLATES)}"
    raise misfit(f"there is no template {name!r}{why}", name, KEY)


def _foreign(template: Template[Any], written: Mapping[Any, Any]) -> Iterator[InitErrorDetails]:
    for key in written:
        if key in template.keys:
            continue
        close = difflib.get_close_matches(str(key), template.keys, n=1)
        meant = f"did you mean {close[0]!r}?" if close else "remove it."
        message = f"is not a parameter of the template {template.name}: {meant} It takes {', '.join(template.keys)}"
        # "[key]" is pydantic's own mark of a mistake in a key rather than in its value.
        yield detail(message, None, str(key), "[key]")


def _again(found: ErrorDetails) -> InitErrorDetails:
    """A mistake that was found, to be raised once more beside others."""
    kind: Any = found["type"]
    if kind not in get_args(ErrorType):  # one of ours
        kind = PydanticCustomError("slo", "{message}", {"message": found["msg"]})
    again = InitErrorDetails(type=kind, loc=found["loc"], input=found["input"])
    if "ctx" in found and isinstance(kind, str):
        again["ctx"] = found["ctx"]
    return again
