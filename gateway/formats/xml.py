"""XML → values, by a parser that is told nothing of entities: a document with a DTD is refused before one can be defined.

An element with text alone is that text, an empty one is null, any other is an object: `@name` for an attribute, the name of each element in
it, `#text` for text beside them. Elements of one name are a list as soon as there are two. Names stay as written, prefix included.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn
from xml.parsers import expat

from gateway.formats.decode import Undecodable, decode_text

DEEPEST = 100
"""Elements within one another."""

MOST = 100_000
"""Elements and attributes in all: reading one takes two to three microseconds, during which nobody else is served."""

_TOO_MANY = "XML with too many elements and attributes, or nested too deeply"
_BLANKS = " \t\r\n"
_DECLARED = re.compile(rb"""<\?xml\s[^>]{0,60}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")


def decode_xml(body: bytes, charset: str | None) -> dict[str, Any]:
    """An object with the root element. The charset that is given comes before the one that the document declares. Raises `Undecodable`."""
    declared = _DECLARED.match(body)
    text = decode_text(body, charset or (declared[1].decode() if declared else None))
    if text.count("=") > MOST:
        # The parser reads all attributes of an element before it tells of one, and takes 4 µs for each.
        raise Undecodable(_TOO_MANY)
    tree = _Tree()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = tree.begin
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.text
    try:
        # Of text the parser ignores what is declared.
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise Undecodable("not XML") from error
    return tree.root


class _Tree:
    """The elements that are open, and the values of those that have ended."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self._open: list[tuple[dict[str, Any], list[str]]] = [(self.root, [])]
        self._left = MOST

    def begin(self, _name: str, attributes: dict[str, str]) -> None:
        self._left -= 1 + len(attributes)
        if self._left < 0 or len(self._open) > DEEPEST:
            raise Undecodable(_TOO_MANY)
        self._open.append(({f"@{key}": value for key, value in attributes.items()}, []))

    def text(self, text: str) -> None:
        self._open[-1][1].append(text)

    def end(self, name: str) -> None:
        members, texts = self._open.pop()
        text = "".join(texts).strip(_BLANKS)
        if members and text:
            members["#text"] = text
        siblings = self._open[-1][0]
        _add(siblings, name, members or text or None)


def _add(siblings: dict[str, Any], name: str, value: Any) -> None:
    if name not in siblings:
        siblings[name] = value
    elif isinstance(there := siblings[name], list):
        there.append(value)
    else:
        siblings[name] = [there, value]


def _refuse(*_: object) -> NoReturn:
    raise Undecodable("XML with a document type, which may define entities")
