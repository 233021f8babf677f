"""What a reply may be: a value of its format, or `Undecodable`, and never anything else."""

from __future__ import annotations

import codecs
import encodings
import pkgutil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.formats import FORMATS
from gateway.formats.decode import Undecodable
from gateway.formats.encode import encode_json
from gateway.formats.xml import DEEPEST, MOST

BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'
FILE = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


def decoded(name: str, body: bytes, kind: str | None = None) -> Any:
    """What the format makes of a body that came with this `Content-Type`."""
    return FORMATS[name].decode(body, (("content-type", kind),) if kind else ())


@pytest.mark.parametrize(
    ("name", "body", "kind", "value"),
    [
        ("json", b' {"a": 1}', "text/plain; charset=latin1", {"a": 1}),
        ("text", "é\n".encode(), None, "é\n"),
        ("text", "é".encode("latin1"), 'text/plain; Charset="ISO-8859-1"', "é"),
        ("text", "日本".encode("shift_jis"), "text/csv;charset=Shift_JIS", "日本"),
        ("text", codecs.BOM_UTF8 + b"a", "text/plain; charset=latin1", "a"),
        ("text", "\ufeffa".encode("utf-16-be"), "text/plain", "a"),
        ("text", b"", None, ""),
        ("bytes", b"\x00\xff\x10", "text/plain", "AP8Q"),
        ("bytes", b"", None, ""),
        ("jsonl", b'{"a":1}\n\n [2] \r\n \t\r\nnull', None, [{"a": 1}, [2], None]),
        ("jsonl", b"\n", None, []),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_body_has_the_value_of_its_format(name: str, body: bytes, kind: str | None, value: Any) -> None:
    """The charset is what the reply says, a byte order mark before it; only text and XML have one."""
    assert decoded(name, body, kind) == value


@pytest.mark.parametrize(
    ("body", "kind", "value"),
    [
        (b"<a/>", None, {"a": None}),
        (b"<a> x &lt;&amp;&#233; </a>", None, {"a": "x <&é"}),
        (b"<a><![CDATA[<b>]]>c</a>", None, {"a": "<b>c"}),
        (b"<a>\n <b>1</b><c>2</c> <b>3</b>\t<b/></a>", None, {"a": {"b": ["1", "3", None], "c": "2"}}),
        (b'<a b="1">x<c d=""/>y</a>', None, {"a": {"@b": "1", "c": {"@d": ""}, "#text": "xy"}}),
        (b'<s:a xmlns:s="urn:s" s:b="1"><s:c/></s:a>', None, {"s:a": {"@xmlns:s": "urn:s", "@s:b": "1", "s:c": None}}),
        (b"<?pi x?><!-- no --><a><!-- no -->b</a>", None, {"a": "b"}),
        ("<a>é</a>".encode(), None, {"a": "é"}),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode("latin1"), None, {"a": "é"}),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode(), "text/xml; charset=utf-8", {"a": "é"}),
        ('<?xml version="1.0" encoding="UTF-16"?><a>é</a>'.encode("utf-16"), None, {"a": "é"}),
        (b"<a>" * DEEPEST + b"</a>" * DEEPEST, None, None),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_xml_is_text_objects_and_lists(body: bytes, kind: str | None, value: Any) -> None:
    """Attributes with `@`, text beside them as `#text`, several of a name as a list; the charset by RFC 7303."""
    came = decoded("xml", body, kind)

    assert value is None or came == value
    assert encode_json(came)


@pytest.mark.parametrize(
    ("name", "body", "kind"),
    [
        ("jsonl", b'{"a":1}\n{', None),
        ("jsonl", b"1 2", None),
        ("jsonl", b"[1,\n2] 3", None),
        ("jsonl", b"\x0b\n", None),
        ("jsonl", b'{"a":\n1}', None),
        ("jsonl", b"1\nNaN", None),
        ("jsonl", b'1\n"\xff"', None),
        ("jsonl", b"[" * 100_000, None),
        ("text", b"\xff", None),
        ("text", b"\xff", "text/plain; charset=utf-8"),
        ("text", b"\x00\xd8", "text/plain; charset=utf-16le"),
        ("text", b"a", "text/plain; charset=rot13"),
        ("text", b"a", "text/plain; charset=punycode"),
        ("text", b"a", "text/plain; charset=none-such"),
        ("xml", b"", None),
        ("xml", b"{}", None),
        ("xml", b"<a>", None),
        ("xml", b"<a/><b/>", None),
        ("xml", b"<a b='1' b='2'/>", None),
        ("xml", b"<a>\xff</a>", None),
        ("xml", b"<a>\x00</a>", None),
        ("xml", b"<a>&b;</a>", None),
        ("xml", b"<!DOCTYPE html><a/>", None),
        ("xml", BOMB, None),
        ("xml", FILE, None),
        ("xml", b'<?xml version="1.0" encoding="punycode"?><a/>', None),
        ("xml", b"<a>" * (DEEPEST + 1) + b"</a>" * (DEEPEST + 1), None),
        ("xml", b"<a>" * 100_000, None),
        ("xml", b"<a>" + b"<b/>" * MOST + b"</a>", None),
        ("xml", b"<a>" + b"<b c='1'/>" * (MOST // 2) + b"</a>", None),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_not_of_its_format_is_undecodable(name: str, body: bytes, kind: str | None) -> None:
    """By the letter, within bounds, and with a message that quotes none of it."""
    with pytest.raises(Undecodable) as caught:
        decoded(name, body, kind)

    assert "passwd" not in str(caught.value)
    assert len(str(caught.value)) < 80


def test_attributes_are_counted_before_they_are_read() -> None:
    """One element may have millions, and all of them would be read before anybody is told."""
    with pytest.raises(Undecodable, match="too many"):
        decoded("xml", b"<a " + b"b='' " * (MOST + 1))


@pytest.mark.parametrize("charset", sorted({module.name for module in pkgutil.iter_modules(encodings.__path__)}))
def test_no_codec_of_python_gets_past_text(charset: str) -> None:
    """Whatever a reply says its charset is, there is text that JSON can hold, or it is a bad reply."""
    for name, body in (
        ("text", b"\\ud800+2AA-\xd8\x00"),
        ("xml", f'<?xml version="1.0" encoding="{charset}"?><a>\xd8</a>'.encode()),
    ):
        try:
            came = decoded(name, body, f"text/plain; charset={charset}")
        except Undecodable:
            continue
        assert encode_json(came)


@given(
    st.sampled_from(sorted(FORMATS)),
    st.binary(max_size=40),
    st.sampled_from([None, "text/xml; charset=utf-16", "a; charset=gbk"]),
)
def test_any_bytes_are_a_value_or_undecodable(name: str, body: bytes, kind: str | None) -> None:
    """What comes out can be put into an answer."""
    try:
        came = decoded(name, body, kind)
    except Undecodable:
        return

    assert encode_json(came)
