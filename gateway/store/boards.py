"""Boards: where a purge is told, so that it holds in every process that keeps the same things."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.caching.purging import PurgesState


@dataclass(frozen=True, slots=True)
class LocalBoard:
    """The board of one process, which has nobody to tell."""

    purges: PurgesState

    def tell(self, scope: str, at: float) -> None:
        """It is purged here."""
        self.purges.purge(scope, at)

    async def told(self) -> bool:
        """There is nobody else."""
        return True
