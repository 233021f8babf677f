"""The services' own OpenAPI documents, which the showcase names: they are as the services are."""

from __future__ import annotations

from pathlib import Path

import pytest

from services import PORTS, describe
from services.__main__ import main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", PORTS)
def test_the_document_beside_the_showcase_is_what_the_service_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever changes a service runs `make docs`."""
    status = main([name, "--openapi"])

    printed = capsys.readouterr().out
    assert status == 0
    assert printed == (ROOT / "config" / "openapi" / f"{name}.json").read_text()


@pytest.mark.parametrize("name", PORTS)
def test_a_document_has_what_a_service_is_for(name: str) -> None:
    """Its endpoints; the switches that make it fail are nobody's business."""
    paths = describe(name)["paths"]

    assert paths
    assert not any(path.startswith("/_") for path in paths)


def test_an_unknown_service_has_no_document() -> None:
    """A name that no service has is a `KeyError`."""
    with pytest.raises(KeyError, match="payments"):
        describe("payments")
