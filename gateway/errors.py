"""Everything that can go wrong, drawn as a tree.

    GatewayError
    ├── ConfigError            the config cannot become plans; carries every finding
    ├── StartError             the gateway cannot start (a port in use, no config file)
    └── CallError              a call to an upstream came to nothing
        ├── Unsent             nothing left the gateway: safe to repeat, whatever the method
        │   ├── Unrendered         the values at hand do not make a call
        │   ├── NeedFailed         a step this one needs has failed
        │   ├── Unreachable        refused, no route, no such name
        │   └── Rejected           turned away before anything was sent: the upstream is to be left alone
        │       ├── BreakerOpen        it failed too often
        │       ├── BulkheadFull       it has as many calls as it may
        │       ├── Throttled          it turns most of what it is asked away
        │       └── Paused             it asked to be left alone for a while
        ├── TimedOut           it took longer than it may
        │   ├── AttemptTimeout     one attempt's own limit
        │   └── CallTimeout        the whole call, its attempts and the waits between them
        ├── Disconnected       the connection broke after something was sent
        ├── BadReply           what came back is not HTTP, not the promised format, or too large
        │   └── TooLarge           more than a reply may weigh
        ├── StatusRefused      a good HTTP reply with a status the step does not accept
        ├── NotThere           the reply to a batch has nothing for an item
        └── TooManyItems       more items than a loop may have

Below the step a `CallError` is raised and layers may catch it. At the step's boundary it becomes a value (`call.Failed`).
Which HTTP status a client gets for which of these is decided in `problem.py` and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.call import Reply
    from gateway.finding import Finding


class GatewayError(Exception):
    """The root: catching it catches all that the gateway raises on purpose."""


class ConfigError(GatewayError):
    """The config cannot become plans. `findings` holds every problem found, not only the first."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)


class StartError(GatewayError):
    """The gateway cannot start; the message says why and what to do about it."""


class CallError(GatewayError):
    """A call to an upstream came to nothing. The message is for logs and traces, never for clients."""

    status: int | None = None
    """Of the reply, if there was one."""


class Unsent(CallError):
    """Nothing left the gateway, so that repeating the call cannot do anything twice."""


class Unrendered(Unsent):
    """A reference had no value, or none that fits where it stands.

    `by_client` says that the value was the client's to give, so that the fault is the request's (a 400), not an upstream's.
    """

    def __init__(self, message: str, *, by_client: bool = False) -> None:
        super().__init__(message)
        self.by_client = by_client


class NeedFailed(Unsent):
    """The step was not sent because a step it needs failed. `cause` is that step's error."""

    def __init__(self, need: str, cause: CallError) -> None:
        super().__init__(f"needs {need}, which failed: {cause}")
        self.need = need
        self.cause = cause


class Unreachable(Unsent):
    """No connection: refused, no route, or a name that does not resolve."""


class Rejected(Unsent):
    """Turned away here, since the upstream is to be left alone. `retry_after` says for how many seconds, as far as anybody knows."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BreakerOpen(Rejected):
    """The upstream failed too often; until the breaker lets a probe through nobody asks it."""


class BulkheadFull(Rejected):
    """As many calls as may be are in flight, and as many as may be wait."""


class Throttled(Rejected):
    """The upstream has turned most of what it was asked away, and this call was drawn to be turned away here."""


class Paused(Rejected):
    """The upstream has asked to be left alone for longer than there is time."""


class TimedOut(CallError):
    """It took longer than it may."""


class AttemptTimeout(TimedOut):
    """One attempt ran into its own limit; another may still be in time."""


class CallTimeout(TimedOut):
    """The deadline of the whole call has passed; there is no time for another attempt."""


class Disconnected(CallError):
    """The connection broke after something was sent: nobody knows whether the upstream acted on it."""


class BadReply(CallError):
    """What came back is not HTTP, or is not in the format that the step expects. `status` is that of a reply whose head was well."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class TooLarge(BadReply):
    """The reply is larger than a reply may be."""


class StatusRefused(CallError):
    """The upstream answered properly, with a status that the step does not accept."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"status {reply.status}")
        self.status = reply.status
        self.reply = reply


class NotThere(CallError):
    """The reply to a batch has nothing for one of its items."""


class TooManyItems(CallError):
    """A loop has more items than it may have. `left_out` of them were left out where the first ones were taken.

    `by_client` says that the client gave them.
    """

    def __init__(self, count: int, limit: int, *, by_client: bool = False) -> None:
        super().__init__(f"{count} items, and the limit is {limit}")
        self.by_client = by_client
        self.left_out = count - limit
