"""What a bad day looks like, on real sockets: a server that answers wrongly to the byte, a proxy that breaks connections, and the matrix.

`make faults` (or `python -m faults`) plays every fault of the matrix to a running gateway and prints a table: the fault, what is required,
what was seen, and whether the gateway was as before afterwards. Server and proxy are the tests' too.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
