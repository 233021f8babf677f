"""Says once that tests without `async` have no event loop."""

import asyncio

# pytest-asyncio and looptime ask for the current loop around every test. Unless told there is none,
# asyncio makes one for them, which nobody closes: a ResourceWarning, and on Python 3.12 and 3.13 a
# DeprecationWarning too, both of them errors here.
asyncio.set_event_loop(None)
