"""What a command prints in a terminal, as a picture: run in one, and drawn from the very bytes that came out of it."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROWS = 60
PATIENCE = 60.0
"""Seconds that a command may take."""

_REDRAWN = re.compile(r"(?:\r?\x1b\[\d*[AKJ])+")
"""What goes up to where the picture before began."""

_UNSEEN = re.compile(r"\x1b\[\?\d+[hl]|\r")

_FONTS = 'ui-monospace, SFMono-Regular, Menlo, "Cascadia Mono", "DejaVu Sans Mono", monospace'
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace("Fira Code, monospace", _FONTS)
"""rich's own, with the fonts that a reader has: a picture asks nothing of the network."""

_HUES = [(0xFF, 0x8F, 0x80), (0x6F, 0xCF, 0x97), (0xE6, 0xB4, 0x5C), (0x7F, 0xAB, 0xFF), (0xC8, 0xA2, 0xF5), (0x66, 0xC7, 0xD6)]
_INK, _FAINT, _GROUND = (0xD5, 0xDC, 0xE4), (0x93, 0xA0, 0xAF), (0x0E, 0x12, 0x17)
_THEME = TerminalTheme(_GROUND, _INK, [_FAINT, *_HUES, _INK], [_FAINT, *_HUES, (0xFF, 0xFF, 0xFF)])
"""The console's dark colours."""


def draw(name: str, arguments: Sequence[str], shown: str, *, columns: int, frames: int = 0) -> str:
    """The SVG of what `gateway` prints with these arguments, under the command as somebody would type it. One that draws itself again and
    again has done so this often.
    """
    printed = _REDRAWN.split(_UNSEEN.sub("", _run(arguments, columns, frames)))
    last = printed[frames - 1 if frames else -1].strip("\n")
    assert last, f"gateway {shown} has printed nothing"
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "dim"), (shown, "bold")))
    console.print(Text.from_ansi(last), soft_wrap=True)
    return console.export_svg(title="fanin", theme=_THEME, code_format=_FORMAT, unique_id=name)


def _run(arguments: Sequence[str], columns: int, frames: int) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    command = [sys.executable, "-m", "gateway", *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={**environ, "TERM": "xterm-256color"})
    os.close(theirs)
    try:
        printed = _read(ours, frames)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return printed.decode(errors="replace")


def _read(terminal: int, frames: int) -> bytes:
    """What comes until nothing more can, or until so many frames are whole."""
    printed, until = b"", time.monotonic() + PATIENCE
    while (left := until - time.monotonic()) > 0 and select.select([terminal], [], [], left)[0]:
        try:
            printed += os.read(terminal, 65536)
        except OSError:  # nobody is on the other side any more
            break
        if frames and len(_REDRAWN.findall(_UNSEEN.sub("", printed.decode(errors="replace")))) >= frames:
            break
    return printed
