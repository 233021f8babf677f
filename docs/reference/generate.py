"""Writes the tables of `config.md` from the spec itself: keys, types, bounds, defaults, and each field's docstring.

A table stands between `<!-- keys: UpstreamSpec -->` and `<!-- end -->`; everything around it is written by hand. Run it with
`python docs/reference/generate.py`, or see with `--check` whether there is anything to write.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from gateway import policy, spec

FILE = Path(__file__).with_name("config.md")

SECTIONS = {
    "GatewaySpec": "the-whole-config",
    "UpstreamSpec": "upstream",
    "ForwardSpec": "forward",
    "CallForwardSpec": "forward",
    "RetryPolicy": "retry",
    "CachePolicy": "cache",
    "BreakerPolicy": "breaker",
    "EjectPolicy": "eject",
    "ThrottlePolicy": "throttle",
    "InjectPolicy": "inject",
    "BulkheadPolicy": "bulkhead",
    "AdaptivePolicy": "adaptive",
    "HedgePolicy": "hedge",
    "IdempotencyPolicy": "idempotency",
    "TlsPolicy": "tls",
    "HealthPolicy": "health",
    "DiscoverPolicy": "discover",
    "EndpointSpec": "endpoint",
    "PassthroughSpec": "passthrough",
    "InputSpec": "input",
    "CallSpec": "call",
    "StepSpec": "step",
    "FallbackSpec": "fallback",
    "UndoSpec": "undo",
    "EndSpec": "end",
    "LimitSpec": "limit",
    "BatchSpec": "batch",
    "JoinSpec": "join",
    "MergeSpec": "merge",
    "TransformSpec": "transform",
    "AnswerSpec": "answer",
    "ShedPolicy": "shed",
    "TelemetryPolicy": "telemetry",
    "ConsoleSpec": "console",
    "StorageSpec": "storage",
    "RedisSpec": "redis",
}
"""Where in the page each class is described."""

_REGION = re.compile(r"(<!-- keys: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PATTERNS: Mapping[str, str] = {
    TypeAdapter(kind).json_schema()["pattern"]: words
    for kind, words in (
        (policy.Duration, "[duration](#durations-and-sizes)"),
        (policy.Size, "[size](#durations-and-sizes)"),
        (policy.Share, "[share](#durations-and-sizes)"),
        (spec.Name, "name"),
        (spec.HeaderName, "header name"),
    )
}
_PLAIN = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}


def generate(text: str) -> str:
    """The page with every table as the spec has it now."""
    return _REGION.sub(lambda match: f"{match[1]}{_table(match[2])}{match[3]}", text)


def described(text: str) -> set[str]:
    """The classes that have a table in the page."""
    return {match[2] for match in _REGION.finditer(text)}


def _table(name: str) -> str:
    model: type[BaseModel] = getattr(spec, name, None) or getattr(policy, name)
    schema = model.model_json_schema()
    if "$ref" in schema:  # it stands within itself
        schema = schema["$defs"][name]
    # What every call has stands in the table of calls.
    inherited = spec.CallSpec.model_fields if model is not spec.CallSpec and issubclass(model, spec.CallSpec) else ()
    manual = {field.alias or name: field.description or "" for name, field in model.model_fields.items()}
    rows = [
        f"| `{key}` | {_type(words)} | {_default(key, words, schema)} | {_escaped(manual[key])} |"
        for key, words in schema["properties"].items()
        if key not in inherited
    ]
    lines = ["| key | value | default | meaning |", "| --- | --- | --- | --- |", *rows]
    return "\n".join([str(schema["description"]), "", *lines, ""])


def _default(key: str, words: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if key in schema.get("required", ()):
        return "required"
    default = words.get("default")
    return "" if default is None or "$ref" in words else f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _type(words: Mapping[str, Any]) -> str:
    """A value in words: `whole number, 1 to 10`."""
    if "anyOf" in words:
        kinds = dict.fromkeys(_type(one) for one in words["anyOf"] if one != {"type": "null"})
        return " or ".join(kinds)
    if "$ref" in words:
        name = words["$ref"].rpartition("/")[2]
        return f"[{SECTIONS[name].replace('-', ' ')}](#{SECTIONS[name]})"
    if "const" in words or "enum" in words:
        return ", ".join(f"`{json.dumps(one).strip(chr(34))}`" for one in words.get("enum", [words.get("const")]))
    kind = words.get("type")
    if kind == "array":
        return f"list of {_type(words['items'])}"
    if kind == "object":
        return f"{_type(_value_of(words))} by name"
    return _bounded(words) if kind else "anything"


def _value_of(words: Mapping[str, Any]) -> Mapping[str, Any]:
    """What each key of a mapping may have; `additionalProperties` is a bare true where that is anything."""
    values = [*words.get("patternProperties", {}).values(), words.get("additionalProperties")]
    return next((value for value in values if isinstance(value, dict)), {})


def _bounded(words: Mapping[str, Any]) -> str:
    plain = _PATTERNS.get(words.get("pattern", ""), _PLAIN[words["type"]])
    return ", ".join([plain, *_bounds(words)])


def _bounds(words: Mapping[str, Any]) -> Iterator[str]:
    low, high = words.get("minimum"), words.get("maximum")
    if low is not None and high is not None:
        yield f"{low} to {high}"
    elif low is not None:
        yield f"at least {low}"


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    """Write the page, or say with status 1 that it is stale."""
    before = FILE.read_text()
    after = generate(before)
    if "--check" in sys.argv[1:]:
        return int(before != after)
    FILE.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
