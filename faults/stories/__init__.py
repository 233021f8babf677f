"""The stories: what goes wrong for a while, in a crowd, and what figures are required of the gateway meanwhile and afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from faults import replies
from faults.row import Row
from faults.stories import beginnings, deadlines, neighbours, outages, tails

STORIES: Sequence[Row] = (
    Row("S1", "a minute in which everything is a 503", "1.2 calls a request at most; a breaker back within its open time and 1 s, a throttle "
        "within 10 s; 99 % good for 10 s then", (outages.minute,), "/shielded", longest=150.0, tries=2),
    Row("S2", "ten seconds in which everything hangs", "the same", (outages.down(replies.HANGS, 10.0),), "/shielded", longest=60.0, tries=2),
    Row("S3", "ten seconds in which everything is reset", "the same", (outages.down(replies.RESETS, 10.0),), "/shielded", longest=60.0, tries=2),
    Row("S4", "one call in a hundred takes a second, the others 10 ms", "p99 100 ms with 5 % more calls; what lost is cancelled, and no error",
        (tails.hedged("/tailed", 1), tails.hedged("/three/tailed", 3)), "/tailed", longest=90.0, tries=2),
    Row("S5", "one upstream hangs, and as many ask for another", "the other 100 % good, p99 at most 1.2 times as long", (neighbours.hanging,),
        "/stuck", 15.0, tries=2),
    Row("S6", "an open breaker", "turned away within 1 ms, and no connection made", (neighbours.rejected,), "/shielded", 5.0, tries=2),
    Row("S7", "2,000 requests each of upstreams that hang, trickle, or take long for a head", "p99.9 not 50 ms longer than a reply of the same "
        "moment that takes as long as they may", (deadlines.kept("hangs", replies.HANGS), deadlines.kept("trickles", replies.trickled),
                                               deadlines.kept("head", replies.trickled_head)), "/late", longest=120.0, tries=2),
    Row("S8", "clients that leave", "their calls given up within 200 ms", (deadlines.left,), "/late", tries=2),
    Row("S9", "hundreds at once on a cold start", "all good, no breaker opens", (beginnings.crowd,), "/crowded", tries=2),
)  # fmt: skip
