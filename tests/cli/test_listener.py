"""The listener: what a round of the loop writes leaves in one write, in order, and none of it is held longer."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock, call

import pytest

from gateway.cli import listener
from gateway.cli.listener import HELD, Joining


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Of a Python without the fault that `_FORGETS_TO_PAUSE` tells of."""
    monkeypatch.setattr(listener, "_FORGETS_TO_PAUSE", False)
    return Mock(spec=asyncio.Transport)


async def joining(transport: Mock) -> Joining:
    return Joining(transport, asyncio.get_running_loop())


async def test_head_and_body_leave_in_one_write(transport: Mock) -> None:
    """Two writes of one round of the loop are one, and nothing is written twice."""
    joined = await joining(transport)

    joined.write(b"head")
    joined.write(b"body")
    await asyncio.sleep(0)

    assert transport.mock_calls == [call.writelines([b"head", b"body"])]


async def test_a_transport_that_forgets_to_pause_is_written_to_at_once(transport: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines would be kept without a bound for a client that takes nothing; what is written in one piece is not."""
    monkeypatch.setattr(listener, "_FORGETS_TO_PAUSE", True)
    joined = await joining(transport)

    joined.write(b"head")
    joined.write(b"body")
    await asyncio.sleep(0)

    assert transport.mock_calls == [call.write(b"headbody")]


async def test_each_round_has_a_write_of_its_own(transport: Mock) -> None:
    """A stream goes out as it comes."""
    joined = await joining(transport)

    joined.write(b"one")
    await asyncio.sleep(0)
    joined.write(b"two")
    await asyncio.sleep(0)

    assert transport.mock_calls == [call.writelines([b"one"]), call.writelines([b"two"])]


async def test_what_is_long_does_not_wait(transport: Mock) -> None:
    """Who writes without ever waiting must notice that the reader is slow: the transport has it at once."""
    joined = await joining(transport)

    joined.write(b"head")
    joined.write(bytes(HELD))

    assert transport.mock_calls == [call.writelines([b"head", bytes(HELD)])]


async def test_closing_writes_first(transport: Mock) -> None:
    """The last answer of a connection is not lost, and the end of the round has nothing left to write."""
    joined = await joining(transport)

    joined.write(b"answer")
    joined.close()
    await asyncio.sleep(0)

    assert transport.mock_calls == [call.writelines([b"answer"]), call.close()]


async def test_all_else_is_the_transport_s(transport: Mock) -> None:
    """Whoever asks it anything is answered by the transport itself."""
    transport.is_closing.return_value = True

    assert (await joining(transport)).is_closing()
