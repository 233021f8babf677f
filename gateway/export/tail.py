"""The tail rule: traces that the sampler did not take, and that go out all the same since they tell something. Pure.

The sampler decides when a request begins, and its word goes along to the upstreams; this is decided when it is over. So nothing is known
of such a trace beyond the gateway, unless those asked keep what is not sampled.
"""

from __future__ import annotations

from gateway.policy.telemetry import TelemetryPolicy
from gateway.story import is_complete
from gateway.telemetry import Trace


def has_rule(policy: TelemetryPolicy) -> bool:
    """There is anything to decide."""
    return policy.keep_slow is not None or policy.keep_failed


def why_kept(trace: Trace, policy: TelemetryPolicy) -> str | None:
    """What a finished trace is exported for: `failed`, `partial` or `slow`; None for nothing."""
    root = trace.root
    if policy.keep_failed:
        if root.error:
            return "failed"
        if is_complete(trace.spans) is False:
            return "partial"
    return "slow" if policy.keep_slow is not None and root.seconds >= policy.keep_slow else None
