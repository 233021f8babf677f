"""Entries as short as a rule is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.caching import Entry
from gateway.caching.storing import make_entry
from gateway.call import Call, Reply
from gateway.policy import CachePolicy

AT = 1_790_000_000.0


class Passing:
    """A passage nothing goes by."""


@pytest.fixture
def keep(make_call: Callable[..., Call]) -> Callable[..., Entry | None]:
    """Keeps what came at `AT` with these headers, by a policy in the words of a config, as of a step or, with `passage`, as of what goes by."""

    def make(
        *headers: tuple[str, str], status: int = 200, body: bytes = b"{}", sent: tuple[tuple[str, str], ...] = (), passage: bool = False,
        **policy: Any,
    ) -> Entry | None:  # fmt: skip
        call = make_call(headers=sent, passage=Passing() if passage else None)
        return make_entry(CachePolicy(**policy), call, Reply(status, headers, body), AT)

    return make
