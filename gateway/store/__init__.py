"""Where what is kept of replies and answers is: aiocache's interface over a memory of ours."""

from gateway.store.boards import LocalBoard
from gateway.store.memory import OVERHEAD, MemoryStore

__all__ = ["OVERHEAD", "LocalBoard", "MemoryStore"]
