"""Which steps' replies go into the answer as the text that came: those that no expression looks into."""

from __future__ import annotations

from typing import Any

import pytest

STEPS = """
version: 1
upstreams: {shop: {url: "http://127.0.0.1:9101"}}
endpoints:
  - path: /{id}
    method: POST
    steps:
      user: {get: shop /user}
      other: {%s}
"""


def spliced(compiled: Any, own: str = "post: shop /other", response: str = "") -> list[str]:
    """The steps that are spliced, where `other` says this too and the answer looks like that."""
    (plan,) = compiled(STEPS % own + (f"    response: {response}\n" if response else ""))
    return [step.name for step in plan.steps if step.recipe.expects.spliced]


@pytest.mark.parametrize(
    "response", ["", "user", "{a: user, b: [other, {c: user}]}", "{a: path.id}", "{a: user, b: steps.user.status}", "{}"]
)
def test_what_is_only_passed_on_as_a_whole_is_spliced(compiled: Any, response: str) -> None:
    """Anywhere in the answer, any number of times, or not at all; the status is none of its value."""
    assert spliced(compiled, response=response) == ["user", "other"]


@pytest.mark.parametrize(
    "response",
    [
        "user.id",
        "{a: user, b: user.id}",
        "{a: 'length(user)'}",
        "'{a: user}'",
        "'[user, user]'",
        "user || `1`",
        "'user | @'",
        "'!user'",
    ],
)
def test_what_the_answer_looks_into_is_decoded(compiled: Any, response: str) -> None:
    """A member's expression that is anything more than the name."""
    assert spliced(compiled, response=response) == ["other"]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("{merge: [user, {a: other}], how: deep, collisions: last}", []),
        ("{merge: [user, [5]], how: concat}", ["other"]),
        ("{merge: [user, other], how: prefer}", ["user", "other"]),
        ("{merge: [user, {a: {merge: [other, path.id], how: prefer}}], how: shallow, collisions: first}", []),
        ("{merge: [user.a, {merge: [other, [5]], how: concat}], how: prefer}", []),
        ("{transform: 'json:dumps', of: [user, {a: other.id}]}", ["user"]),
        ("{merge: [{transform: 'json:dumps', of: user}, other], how: concat}", ["user"]),
        ("{transform: 'json:dumps', of: {merge: [user, other], how: concat}}", []),
    ],
)
def test_what_a_merge_takes_apart_is_decoded(compiled: Any, response: str, expected: list[str]) -> None:
    """All that is in its parts; what prefers one looks into none, and a function's values are decoded for it alone."""
    assert spliced(compiled, response=response) == expected


@pytest.mark.parametrize(
    "own",
    [
        "post: 'shop /other/{user.id}'",
        "post: 'shop /other?u={user}'",
        "query: {u: '{user}'}",
        "query: {u: ['{path.id}', '{user}']}",
        "headers: {X-User: '{user.id}'}",
        "body: {u: ['{user}']}",
        "body: '{user}'",
        "when: user",
        "optional: true, fallback: '{user}'",
        "on_status: {404: {u: '{user.id}'}}",
    ],
)
def test_what_another_step_looks_into_is_decoded(compiled: Any, own: str) -> None:
    """Wherever it names it, as a whole too: what is sent, asked or put in a place has to be a value."""
    own = own if own.startswith("post") else f"post: shop /other, {own}"
    assert spliced(compiled, own) == ["other"]


def test_what_the_step_itself_looks_into_is_decoded(compiled: Any) -> None:
    """Its own reply is what `select` reads."""
    assert spliced(compiled, "post: shop /other, select: id") == ["user"]
