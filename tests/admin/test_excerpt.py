"""The lines of a config that are shown beside a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.admin.excerpt import block, lines_of

TEXT = """\
endpoints:
  - path: /a
    # of both
    steps:

      user: { get: "users /" }

  - path: /b
"""


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        (TEXT, 2, 6),
        (TEXT, 8, 8),
        ("class Home(\n    Endpoint,\n):\n    user: User\n\n\nx = 1\n", 1, 4),
        ("a", 7, 6),
    ],
)
def test_what_belongs_to_a_line_is_further_in(text: str, first: int, last: int) -> None:
    """As far as the next that is not; what the line has opened is closed with it."""
    lines = text.splitlines()

    assert block(lines, first) == lines[first - 1 : last]


def test_what_is_a_secret_by_its_name_is_left_out(tmp_path: Path) -> None:
    """In whichever way YAML has it written; what comes from outside stands there as it is written."""
    (tmp_path / "g.yaml").write_text(
        "- a:\n"
        '    headers: { x-api-key: "canary 1", accept: text/html, Authorization: canary2 }\n'
        "    client_secret: canary3 canary4\n"
        "    password: |\n"
        "      canary5\n"
        "\n"
        "      canary6\n"
        "    'session-token':\n"
        "      - canary7\n"
        "    url: ${URL}\n"
    )

    shown = lines_of(str(tmp_path / "g.yaml"), 1)

    assert shown == [
        "- a:",
        "    headers: { x-api-key: …, accept: text/html, Authorization: … }",
        "    client_secret: …",
        "    password: …",
        "    'session-token': …",
        "    url: ${URL}",
    ]


@pytest.mark.parametrize("file", ["<text>", "none.yaml", "\0"])
def test_where_there_is_no_file_there_are_no_lines(file: str) -> None:
    """A config may have been text."""
    assert lines_of(file, 1) == []
