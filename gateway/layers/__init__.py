"""One behaviour a file. A layer is a frozen dataclass that, called with a caller, gives a caller; it prints itself.

No layer imports another: what they share is the caller they wrap. Their order is in `stack.py`, and so is the reason for it.
"""
