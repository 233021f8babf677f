"""A merged answer is the same to the byte, whatever order its parts arrived in."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.answer.shape import Answer

pytestmark = pytest.mark.looptime

STEPS = """
a: {get: shop /a, optional: true}
b: {get: shop /b, optional: true}
c: {get: "shop /c", query: {by: "{a}"}, needs: [a], optional: true, fallback: [{id: 1, from: "nobody"}]}
"""

RESPONSE = """
      keyed: {merge: [a, b, c], how: keyed(id), collisions: last}
      all: {merge: [c, b, a], how: concat}
      best: {merge: [b, a, c], how: prefer}
      first: {merge: ["a[0]", "b[0]", "c[0]"], how: deep, collisions: first}
      strict: {merge: ["a[0]", "b[0]"], how: shallow, collisions: fail}
      sorted: {transform: "json:dumps", of: {merge: [b, c], how: concat}}
"""

values = st.booleans() | st.integers(0, 2) | st.just(10**30) | st.dictionaries(st.sampled_from("xyz"), st.integers(0, 2))
elements = st.dictionaries(st.sampled_from(["id", "from", "more"]), values)
replies = st.lists(elements, max_size=3) | st.none() | st.just("no list") | st.just(500)


async def answered(home: Any, bodies: dict[str, Any], delays: tuple[float, ...]) -> bytes:
    """What a client gets when the upstreams say this, each after its delay."""
    page = home(STEPS, RESPONSE)
    for (name, body), delay in zip(bodies.items(), delays, strict=True):
        upstream = page[name]
        upstream.always(upstream.after(delay, 500 if body == 500 else upstream.reply(body)))
    ran = await page.run(within=10)
    value, missing = page.plan.shape(ran.scope)
    return Answer(value, tuple({"member": member} for member in missing)).encode()


@settings(deadline=None, max_examples=60)
@given(bodies=st.fixed_dictionaries({"a": replies, "b": replies, "c": replies}))
async def test_the_order_of_arrival_is_of_no_account(home: Any, bodies: dict[str, Any]) -> None:
    """Any upstream may be the first or the last, fail, or say what does not fit; every order gives the same bytes."""
    orders = permutations([0.0, 0.1, 0.2])

    answers = {await answered(home, bodies, delays) for delays in orders}

    assert len(answers) == 1


async def test_the_order_written_is(home: Any) -> None:
    """The same replies in the order of another template are another answer: the one that was written."""
    bodies = {"a": [{"id": 1, "from": "a"}], "b": [{"id": 1, "from": "b"}], "c": 500}

    answer = await answered(home, bodies, (0.2, 0.1, 0.0))

    assert b'"keyed":[{"id":1,"from":"nobody"}]' in answer
    assert b'"first":{"id":1,"from":"a"},"strict":null' in answer
    assert b'"best":[{"id":1,"from":"b"}]' in answer
