"""JSON laid out to be read: what fits on a line stays on it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.layout import lay_out

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc", max_size=12),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text("xyz", max_size=6), children, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.integers(1, 120))
def test_what_is_laid_out_is_still_the_value(value: Any, width: int) -> None:
    """Whatever the width, it is JSON, and the same."""
    assert json.loads(lay_out(value, width)) == value


@given(VALUES, st.integers(1, 120))
def test_only_what_cannot_be_broken_is_wider(value: Any, width: int) -> None:
    """A line beyond the width has a single value, its name and its comma on it."""
    wide = [line for line in lay_out(value, width).split("\n") if len(line) > width]

    values = [re.sub(r'^ *("[a-z]*": )?|,$', "", line) for line in wide]

    assert all(text in "[]{}" or not json.loads(text) or not isinstance(json.loads(text), list | dict) for text in values)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (40, '{"a": [1, 2, 3], "b": {"c": "text"}}'),
        (24, '{\n  "a": [1, 2, 3],\n  "b": {"c": "text"}\n}'),
        (16, '{\n  "a": [\n    1,\n    2,\n    3\n  ],\n  "b": {\n    "c": "text"\n  }\n}'),
        (17, '{\n  "a": [1, 2, 3],\n  "b": {\n    "c": "text"\n  }\n}'),
    ],
)
def test_it_is_broken_where_it_would_be_too_wide(width: int, expected: str) -> None:
    """The name before a value and the comma behind it count."""
    assert lay_out({"a": [1, 2, 3], "b": {"c": "text"}}, width) == expected


def test_letters_stay_letters_and_empty_things_whole() -> None:
    """No escapes for what can be read, no line break inside nothing."""
    assert lay_out({"naïve": [], "日本": {}}, 1) == '{\n  "naïve": [],\n  "日本": {}\n}'
