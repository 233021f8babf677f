"""One request and its reply: the order of things on the wire, whoever asks.

    1  take a connection of the origin's pool, or open one
    2  write the request; from here on something was sent
    3  wait for the reply, or for its head when its body is read as it comes
    4  the connection goes back when the last byte has come and nothing else; in every other case it is closed

There are no time limits beyond the connection's: who calls has a deadline and cancels.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from gateway.transport.connection import Connection, Kind
from gateway.transport.pool import PoolState
from gateway.transport.reply import Incoming
from gateway.transport.request import Outgoing


async def exchange(pool: PoolState, ready: Outgoing, kind: type[Kind]) -> Kind:
    """The reply to a request. Raises `Unreachable` when nothing was sent; `Disconnected`, `BadReply` when nobody knows."""
    connection = pool.take_idle() or await pool.take()  # 1
    while not ready.can_repeat and connection.uses and connection.has_news():
        connection.close()
        connection = pool.take_idle() or await pool.take()
    while True:
        reply = connection.begin(ready, kind)  # 2
        try:
            if ready.body is not None:
                await _upload(connection, reply, ready.body)
            elif not reply.is_there:
                await reply.progress()  # 3
        except BaseException:
            reply.drop()
            raise
        if reply.error is None:
            return reply
        if not (reply.is_unread and connection.uses > 1 and ready.can_repeat):
            raise reply.error
        # The upstream closed an idle connection just as it was used: nothing came back, and asking again is safe. Once, since the
        # connection is one that nobody has used before.
        connection = await pool.take(fresh=True)


async def _upload(connection: Connection, reply: Incoming, body: AsyncIterator[bytes]) -> None:
    """Send a body and wait for the reply. One that comes early ends the sending: it will not get better by more."""
    sending, there = asyncio.ensure_future(connection.send(body)), reply.progress()
    try:
        await asyncio.wait((sending, there), return_when=asyncio.FIRST_COMPLETED)
        if not there.done():
            sending.result()
        await there
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
