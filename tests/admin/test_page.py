"""The console's files: open to whoever asks, kept only as long as they are the same, and nothing from elsewhere in them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.admin.page import FOLDER, POLICY

FILES = sorted(file.name for file in FOLDER.iterdir())


async def test_the_page_is_open_and_strict(manage: Any) -> None:
    """Without a token, with a policy that lets in nothing but its own files."""
    client = await manage(token="secret")
    del client.headers["authorization"]

    page = await client.get("/")

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"] == POLICY
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", [name for name in FILES if name != "index.html"])
async def test_a_file_is_asked_for_again_and_sent_once(manage: Any, name: str) -> None:
    """Whoever has it gets a 304; nobody takes an old one for it. It takes no token."""
    client = await manage(token="secret")
    del client.headers["authorization"]

    file = await client.get(f"/console/{name}")
    again = await client.get(f"/console/{name}", headers={"if-none-match": file.headers["etag"]})

    assert file.content == (FOLDER / name).read_bytes()
    assert (file.headers["cache-control"], again.status_code, again.content) == ("no-cache", 304, b"")
    assert file.headers["content-type"].startswith("text/css" if name.endswith("css") else "text/javascript")


@pytest.mark.parametrize("path", ["/console/", "/console/none.js", "/console/index.html", "/console/..%2f__init__.py"])
async def test_nothing_else_is_among_them(manage: Any, path: str) -> None:
    """Files are those that were there when it began, by their names."""
    client = await manage()

    assert (await client.get(path)).status_code in (400, 404)


@pytest.mark.parametrize("name", FILES)
def test_a_file_asks_nothing_of_anybody_else(name: str) -> None:
    """No address but the name of SVG's elements; no text that is read as HTML or code, no style in an attribute."""
    text = (FOLDER / name).read_text()

    places = set(re.findall(r"https?://[\w.]+", text)) - {"http://www.w3.org"}
    assert places == set()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\sstyle=|\son\w+=\"", text
    )
