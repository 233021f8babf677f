"""One request and its reply: the order of things on the wire, whoever asks.

    1  take a connection of the origin's pool, or open one
    2  write the request; from here on something was sent
    3  wait for the reply, or for its head when its body is read as it comes; a body to send that was not at hand goes on meanwhile
    4  the connection goes back when the last byte has come and nothing else; in every other case it is closed

There are no time limits beyond the connection's: who calls has a deadline and cancels.
"""

from __future__ import annotations

from gateway.errors import CallError
from gateway.transport.connection import Kind
from gateway.transport.pool import PoolState
from gateway.transport.request import Outgoing


async def exchange(pool: PoolState, ready: Outgoing, kind: type[Kind]) -> Kind:
    """The reply to a request. Raises `Unreachable` when nothing was sent; `Disconnected`, `BadReply` when nobody knows, and what the request's
    body raises.
    """
    connection = pool.take_idle() or await pool.take()  # 1
    while not ready.can_repeat and connection.uses and connection.has_news():
        connection.close()
        connection = pool.take_idle() or await pool.take()
    while True:
        reply = connection.begin(ready, kind)  # 2
        try:
            if not reply.is_there:
                await reply.progress()  # 3
        except BaseException:
            await reply.close()
            raise
        if reply.error is None:
            return reply
        await reply.close()
        if isinstance(reply.error, CallError):
            reply.error.status = reply.status or None
        if not (reply.is_unread and connection.uses > 1 and ready.can_repeat):
            try:
                raise reply.error
            finally:
                # The error has this frame, and through it would have itself.
                del reply
        # The upstream closed an idle connection just as it was used: nothing came back, and asking again is safe. Once, since the
        # connection is one that nobody has used before.
        connection = await pool.take(fresh=True)
