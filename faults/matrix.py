"""The matrix: what goes wrong with upstreams, and with the cache that is shared, and what is required of the gateway then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from faults import crowds, guards, replies, shared, turns, ways
from faults.config import OPEN
from faults.proxy import Mode
from faults.redis import FaultRedis
from faults.row import AT_THE_DEADLINE, Gets, Row
from faults.shared import Slows, becomes
from faults.turns import IsNotKept, NextIsClean

HELD = "upstream-disconnected"
UNREADABLE = "upstream-invalid-reply"
LARGE = "upstream-too-large"

ROWS: Sequence[Row] = (
    Row("F1", "nobody listens", "502 at once; the breaker opens by the 5th failure, then 503 and nobody is asked",
        (guards.refused,), "/guarded", 2 * OPEN),
    Row("F2", "a SYN that nobody answers", "502 or 504 at the limit of connecting, not at the deadline", (ways.black_hole,)),
    Row("F3", "accepts, and never answers", "504 at the deadline, and the call is given up",
        (Gets(replies.HANGS, 504, "deadline", abandoned=1, between=AT_THE_DEADLINE),)),
    Row("F4", "a head, then silence", "504 at the deadline; not cached",
        (Gets(replies.HANGS_AFTER_THE_HEAD, 504, "deadline", abandoned=1, between=AT_THE_DEADLINE),
         IsNotKept(replies.HANGS_AFTER_THE_HEAD))),
    Row("F5", "a body that trickles", "504 at the deadline",
        (Gets(replies.trickled, 504, "deadline", abandoned=1, between=AT_THE_DEADLINE),)),
    Row("F6", "a head that trickles", "504 at the deadline",
        (Gets(replies.trickled_head, 504, "deadline", abandoned=1, between=AT_THE_DEADLINE),)),
    Row("F7", "closes without a byte", "502; a GET with retry is sent twice, a POST once",
        (Gets(replies.CLOSES, 502, HELD), Gets(replies.CLOSES, 502, HELD, "/retried", hits=2),
         Gets(replies.CLOSES, 502, HELD, "/retried", "POST"))),
    Row("F8", "closes idle connections as they are used", "nobody notices", (turns.idle_close,)),
    Row("F9", "resets without a byte", "as F7",
        (Gets(replies.RESETS, 502, HELD), Gets(replies.RESETS, 502, HELD, "/retried", hits=2),
         Gets(replies.RESETS, 502, HELD, "/retried", "POST"))),
    Row("F10", "resets within the body", "502, never a short 200; not cached",
        (Gets(replies.RESETS_IN_THE_BODY, 502, HELD), IsNotKept(replies.RESETS_IN_THE_BODY))),
    Row("F11", "closes before the length", "the same",
        (Gets(replies.CLOSES_IN_THE_BODY, 502, HELD), IsNotKept(replies.CLOSES_IN_THE_BODY))),
    Row("F12", "closes within chunks", "the same",
        (Gets(replies.CLOSES_IN_A_CHUNK, 502, HELD), Gets(replies.CLOSES_BETWEEN_CHUNKS, 502, HELD),
         IsNotKept(replies.CLOSES_BETWEEN_CHUNKS))),
    Row("F13", "a body ended by RST, or torn where the end ends it", "502; not cached",
        (Gets(replies.RESETS_WHAT_THE_END_ENDS, 502, HELD), Gets(replies.TORN_WHERE_THE_END_ENDS, 502, UNREADABLE),
         IsNotKept(replies.RESETS_WHAT_THE_END_ENDS))),
    Row("F14", "more bytes than the length", "200, and the next one gets its own", (NextIsClean(replies.LONGER_THAN_SAID),)),
    Row("F15", "a body on 204 and 304", "the next one gets its own",
        (NextIsClean(replies.BODY_ON_204), NextIsClean(replies.BODY_ON_304, 502))),
    Row("F16", "bytes on an idle connection", "the next one gets its own", (NextIsClean(replies.LATE_BYTES, wait=0.15),)),
    Row("F17", "chunks and a length", "502, or chunks and no further use",
        (Gets(replies.BOTH_FRAMINGS, 502, UNREADABLE), NextIsClean(replies.BOTH_FRAMINGS, 502))),
    Row("F18", "two lengths", "502", (Gets(replies.TWO_LENGTHS, 502, UNREADABLE),)),
    Row("F19", "not HTTP", "502 at once", (Gets(replies.GARBAGE, 502, UNREADABLE), Gets(replies.BAD_STATUS, 502, UNREADABLE))),
    Row("F20", "two megabytes of head", "502", (Gets(replies.LARGE_HEAD, 502, UNREADABLE),)),
    Row("F21", "a thousand 103s", "200, or 502 from the eleventh on", (Gets(replies.HINTS, 502, UNREADABLE),)),
    Row("F22", "bodies that are no JSON: torn, empty, not UTF-8", "502; other parts intact",
        (Gets(replies.body(b'{"a":'), 502, UNREADABLE), Gets(replies.body(b""), 502, UNREADABLE),
         Gets(replies.body(b'"\xff"'), 502, UNREADABLE), partial(turns.parts, answer=replies.body(b'{"a":')))),
    Row("F23", "NaN, a depth of 100,000, a key twice", "502 for what JSON has not; never a 500",
        (Gets(replies.NAN, 502, UNREADABLE), Gets(replies.DEEP, 502, UNREADABLE), Gets(replies.TWICE, 200))),
    Row("F24", "200 with a page of HTML", "502, and no HTML for the client",
        (Gets(replies.body(replies.HTML, "Content-Type: text/html"), 502, UNREADABLE), Gets(replies.body(replies.HTML), 502, UNREADABLE))),
    Row("F25", "everything is a 503", f"at most {guards.AMPLIFICATION} calls a request", (guards.storm,), "/stormed"),
    Row("F26", "half of everything is a 503", "70 % good; an open breaker asks one call", (guards.flapping, guards.probed), "/guarded", 2 * OPEN),
    Row("F27", "the first call fails, the next does not", "a GET with retry 200 of two calls, a POST 502 of one",
        (turns.first_fails, Gets(replies.status("503 Service Unavailable"), 502, "upstream-error", "/retried", "POST"))),
    Row("F28", "429 with Retry-After: nonsense, a date, for ever, two seconds", "no attempt before its time, of others neither",
        (guards.retry_after("paused", lambda: "soon!", pauses=False), guards.retry_after("paused_until", guards.in_two_seconds),
         guards.retry_after("paused_for_ever", lambda: "1000000000"), guards.retry_after("paused", lambda: "2")), "/paused", 3.0),
    Row("F29", "302 to somewhere else", "502, not followed", (turns.redirect,)),
    Row("F30", "512 MiB, announced or not", "502, and no more memory",
        (Gets(replies.large, 502, LARGE), Gets(replies.endless, 502, LARGE, between=(0.0, 1.0)))),
    Row("F31", "gzip of 400 KiB that is 400 MiB", "502, and no more memory", (Gets(replies.bomb, 502, LARGE, between=(0.0, 1.0)),)),
    Row("F32", "gzip that is none", "502", (Gets(replies.CORRUPT, 502, UNREADABLE),)),
    Row("F33", "a name that takes five seconds", "others wait for nothing", (ways.slow_name,), "/sturdy"),
    Row("F34", "a name that moves", "followed within 30 s", (ways.moving_name,), "/moving"),
    Row("F35", "certificates: expired, another's, of nobody known; TLS 1.0; a handshake that hangs", "502, and nothing is sent",
        (ways.trusted, ways.certificate("tls_expired", "expired"), ways.certificate("tls_other_name", "another's"),
         ways.certificate("tls_unknown", "unknown"), ways.certificate("tls_old", "TLS 1.0"), ways.handshake_hangs)),
    Row("F36", "wants a certificate of ours: none, the wrong one", "502",
        (ways.certificate("tls_asks_in_vain", "none"), ways.certificate("tls_asks_for_another", "wrong"))),
    Row("F40", f"{crowds.CROWD} want the same, and who asked first leaves; all leave", "one call, which goes on; given up within 200 ms",
        (crowds.leader_leaves, crowds.all_leave)),
    Row("F41", f"{crowds.CROWD} want the same, and the call fails", "all get that failure; at most 2 calls", (crowds.leader_fails,)),
    Row("F58", "what all want is kept for a second only", "one call a second; nobody waits for it", (crowds.hot_key_expires,)),
)  # fmt: skip

FAST = f"{shared.AT_FIRST:g} ms longer in the first second, {shared.LATER:g} later; used again within {shared.BACK:g} s"

SHARED: Sequence[Row] = (
    Row("R1", "nothing: Redis is well", "every answer right, as in each of these; all is had that it has", (Slows(shared.nothing, serves=True),), tries=3),
    Row("R2", "Redis refuses connections, and resets those there are", FAST, (Slows(becomes(Mode.REFUSE)),), tries=3),
    Row("R3", "accepts, and says nothing any more", FAST, (Slows(becomes(Mode.HANG)),), tries=3),
    Row("R4", "200 ms late with each reply", FAST, (Slows(becomes(Mode.SLOW, 0.2)),), tries=3),
    Row("R5", "there and refused by turns of a second", FAST, (Slows(becomes(Mode.FLAP, 1.0)),), tries=3),
    Row("R6", "ends each connection in the middle of a value", FAST, (Slows(becomes(Mode.CUT, 2000)),), tries=3),
    Row("R7", "full", f"{FAST}; all is had that it has", (Slows(FaultRedis.fill, serves=True),), tries=3),
    Row("R8", "a replica that takes nothing", f"{FAST}; all is had that it has", (Slows(FaultRedis.follow, serves=True),), tries=3),
    Row("R9", "something else under each key: foreign, torn, another's, of an older release", f"every answer right; {shared.AT_FIRST:g} ms longer, for all "
        "are misses", (Slows(FaultRedis.overwrite, later=shared.AT_FIRST),), tries=3),
)  # fmt: skip

ELSEWHERE: Mapping[str, str] = {
    "F37–F39": "clients that leave or do not read: tests/e2e/test_leaving.py, tests/app/test_leaving.py",
    "F42 to F45, F59": "stores: the rows from R1 on",
    "F46 to F57": "collectors, processes: not of this matrix",
}
"""Rows that are not played here, and why."""
