"""What is kept, as the reply to a call."""

from __future__ import annotations

from gateway.caching.entry import Entry
from gateway.call import NO_BODY, Call, Reply
from gateway.errors import StatusRefused
from gateway.formats import SPLICED
from gateway.formats.decode import JsonText
from gateway.verdict import judge


def reply_of(entry: Entry, call: Call, word: str) -> Reply:
    """The entry, taken by the call as the same reply from the wire would be; `word` says how the cache took part. Raises `StatusRefused`,
    `BadReply`.
    """
    expects = call.expects
    if expects.format is SPLICED and expects.takes(entry.status):
        # What was checked on its way in is the text that it was, for as long as it is whole.
        value = None if not entry.body and entry.status in NO_BODY else JsonText(entry.body)
        return Reply(entry.status, entry.headers, entry.body, value, word, entry)
    try:
        judged = judge(call, entry.status, entry.headers, entry.body)
    except StatusRefused as error:
        raise StatusRefused(marked(error.reply, word, entry)) from None
    return marked(judged, word, entry)


def marked(reply: Reply, word: str, entry: Entry | None) -> Reply:
    """The reply, with what the cache has to say of it."""
    return Reply(reply.status, reply.headers, reply.body, reply.value, word, entry)


def is_for(entry: Entry, call: Call, now: float, negative_ttl: float) -> bool:
    """The call takes it: it is a good reply to it, or one that its policy remembers for so long. The same call made by another step may
    take other statuses for good.
    """
    return call.expects.takes(entry.status) or now - entry.at < negative_ttl
