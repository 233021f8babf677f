"""Text → spec, keeping the place of every key."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from gateway.errors import ConfigError, StartError
from gateway.face import Written
from gateway.finding import Finding, Source
from gateway.load.joining import join
from gateway.load.reading import Reader
from gateway.load.validation import validate
from gateway.spec import EndpointSpec, GatewaySpec
from gateway.typed import Model


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config as far as it could be read."""

    source: Source
    spec: GatewaySpec | None = field(repr=False)
    """None when it could not be read at all; without the parts that are wrong when `findings` says so."""

    findings: tuple[Finding, ...] = ()
    endpoints: tuple[int, ...] = ()
    """For each endpoint of the spec its index in the file, where a wrong one before it may have been left out."""

    models: Mapping[int, Model] = field(default_factory=dict, repr=False)
    """By the index of an endpoint, what it has of a class."""

    def each_endpoint(self) -> Iterator[tuple[int, EndpointSpec]]:
        """The endpoints of the spec, each with its index in the file; one with further methods once for each of them."""
        for index, endpoint in zip(self.endpoints, self.spec.endpoints if self.spec else (), strict=True):
            yield index, endpoint
            for method in endpoint.passthrough.methods if endpoint.passthrough else ():
                yield index, endpoint.model_copy(update={"method": method})


def load_file(file: str | FilePath, classes: Sequence[Written] = ()) -> Loaded:
    """Read a config file. Raises `StartError` when there is no such file to read."""
    try:
        text = FilePath(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise StartError(f"cannot read the config {file}: {reason}") from error
    return load_text(text, str(file), classes=classes)


def load_text(
    text: str, file: str = "<text>", environ: Mapping[str, str] = os.environ, classes: Sequence[Written] = ()
) -> Loaded:
    """Read a config, with classes for further endpoints. Whatever is wrong with it is in the `findings` of what comes back."""
    reader = Reader(file, environ)
    try:
        tree = reader.read(text)
    except ConfigError as error:
        return Loaded(Source(file), None, tuple(reader.problems) + error.findings)
    joined = join(Source(file, tree, reader.keys, reader.values, reader.outside), classes)
    return Loaded(joined.source, *validate(joined.source, (*reader.problems, *joined.findings)), models=joined.models)
