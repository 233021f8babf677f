"""What becomes of answers when more is asked than can be done: an open loop against the running gateway, at multiples of its capacity.

`make overload` (or `python -m bench.overload`) prints a table for each scenario and draws a picture. Nothing here is a test.
"""
