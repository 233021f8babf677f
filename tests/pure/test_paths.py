"""Which endpoint a path leads to: the tree against the rule that it stands for."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.inbound.paths import Paths


def to_themselves(*written: str) -> Paths[str]:
    """Paths that lead to how they are written: `GET /users/{id}`."""
    return Paths((method, path, f"{method} {path}") for method, path in (one.split() for one in written))


@pytest.mark.parametrize(
    ("path", "goal", "parameters"),
    [
        ("/", "GET /", {}),
        ("/a/b", "GET /a/b", {}),
        ("/a/x", "GET /a/{one}", {"one": "x"}),
        ("/a/b/c", "GET /a/b/{two}", {"two": "c"}),
        ("/a/b/d", "GET /a/b/{two}", {"two": "d"}),
        ("/a/b/c/d", "GET /a/{three}/c/d", {"three": "b"}),
        ("/x/b/c/e", "GET /{four}/b/{five}/e", {"four": "x", "five": "c"}),
        ("/a/b/c/e", "GET /{four}/b/{five}/e", {"four": "a", "five": "c"}),
        ("/a/z", "GET /a/{one}", {"one": "z"}),
        ("/a/é {}", "GET /a/{one}", {"one": "é {}"}),
    ],
)
def test_plain_text_comes_before_a_parameter(path: str, goal: str, parameters: dict[str, str]) -> None:
    """Segment by segment; where plain text leads nowhere, the parameter beside it is tried."""
    paths = to_themselves(
        "GET /", "GET /a/{one}", "GET /a/b", "GET /a/b/{two}", "GET /a/{three}/c/d", "GET /{four}/b/{five}/e", "GET /{six}/z"
    )

    assert paths.find("GET", path) == (goal, parameters)


@pytest.mark.parametrize("path", ["", "*", "//", "/a", "/a/", "/a//", "/A/b", "a/b", "x/a/b", "/a/b/", "/a/b/c", "/a/b\n"])
def test_a_path_that_is_not_quite_an_endpoints_leads_nowhere(path: str) -> None:
    """A slash more, a segment less, an empty parameter, another case: none of them is the same path."""
    paths = to_themselves("GET /", "GET /a/b", "GET /{one}/x")

    assert paths.find("GET", path) is None


def test_a_method_is_asked_with_its_own_paths_only() -> None:
    """A more specific path with another method is in nobody's way; all methods of a path are known."""
    paths = to_themselves("GET /a/{one}", "PUT /a/b", "DELETE /{two}/b", "POST /a/b/c")

    assert paths.find("GET", "/a/b") == ("GET /a/{one}", {"one": "b"})
    assert paths.find("PATCH", "/a/b") is None
    assert paths.methods("/a/b") == ["GET", "PUT", "DELETE"]


segments = st.sampled_from(["a", "b", "{p}", "{q}"])
patterns = st.lists(st.lists(segments, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)), max_size=8)


@settings(deadline=None, max_examples=500)
@given(patterns, st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=5))
def test_the_first_that_matches_of_those_in_order_of_plainness(written: list[str], asked: list[str]) -> None:
    """The tree finds what trying a pattern for each path would, the plainest first."""
    distinct = list({re.sub(r"\{.\}", "{}", path): path for path in written}.values())
    path = "/" + "/".join(asked)

    found = to_themselves(*(f"GET {one}" for one in distinct)).find("GET", path)

    matching = [one for one in sorted(distinct, key=_plainness) if re.fullmatch(re.sub(r"\{.\}", "[^/]+", one), path)]
    assert (found[0] if found else None) == (f"GET {matching[0]}" if matching else None)


def _plainness(path: str) -> Any:
    return [segment.startswith("{") for segment in path.split("/")]
