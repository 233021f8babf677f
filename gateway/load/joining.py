"""Data + classes → data: endpoints that are written as classes stand behind those of the config, each with its own places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.face import Written
from gateway.finding import Finding, Path, Source
from gateway.typed import Model


@dataclass(frozen=True, slots=True)
class Joined:
    """A config and classes, as if all had been written in one file."""

    source: Source
    findings: tuple[Finding, ...] = ()
    models: Mapping[int, Model] = field(default_factory=dict)
    """By the index of an endpoint, what it has of a class."""


def join(source: Source, classes: Sequence[Written]) -> Joined:
    """The config's endpoints and then the classes, in the order given. What is no config at all is left as it is."""
    before = source.tree.get("endpoints", []) if isinstance(source.tree, dict) else None
    if not classes or not isinstance(before, list):
        return Joined(source)
    numbered = dict(enumerate(classes, len(before)))
    placed: dict[Path, Written] = {("endpoints", number): written for number, written in numbered.items()}
    whole = replace(
        source,
        tree={**source.tree, "endpoints": [*before, *(written.data for written in classes)]},
        keys={**source.keys, **_below({path: written.places.keys for path, written in placed.items()})},
        values={**source.values, **_below({path: written.places.values for path, written in placed.items()})},
        origins={path: written.origin for path, written in placed.items()},
    )
    findings = (
        whole.finding((*path, *place), complaint, at_key=True)
        for path, written in placed.items()
        for place, complaint in written.complaints
    )
    return Joined(whole, tuple(findings), {number: written.model for number, written in numbered.items()})


def _below(places: Mapping[Path, Mapping[Path, Any]]) -> dict[Path, Any]:
    """Places by their whole path."""
    return {(*path, *place): stands for path, own in places.items() for place, stands in own.items()}
