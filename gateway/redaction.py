"""What is not to be seen: the one filter of log lines, spans, findings, explanations and the journal.

1  values that are known to be secret, since a config has them from outside: in their place stands how they were written, `${API_KEY}`
2  what follows a name that says so: `Authorization: …`, `?token=…`, `"password": "…"`
3  the credentials in a URL

Nothing of ours records a query, a header or a body in the first place. This stands behind that, for what others say: an upstream's host name,
a library's message, a user's own function.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

HIDDEN = "…"
"""What stands in the place of a value that has no other name."""

LONG = 8
"""Characters from which on a value from outside is taken for a secret wherever it appears, and not for a common word."""

SECRET_WORDS = "authorization|cookie|token|secret|passw|passphrase|credential|signature|(?:api|access|private)[-_]?key"
"""A pattern: what has one of these in its name is nobody's to see, in whatever case."""

_NAME = rf"(?<![\w-])(?=[\w-]*?(?:{SECRET_WORDS}))[\w-]++"
"""A whole name, which is looked at once: anybody may send kilobytes of what is almost one, and each of its ends would be tried for each beginning."""

_SECRET_NAME = re.compile(SECRET_WORDS, re.IGNORECASE)
_PAIR = re.compile(
    rf"""(?ix)
    ({_NAME} (?: ["']?\s*[:=]\s*(?:b(?=["']))?["']? | ["'],\s*b?["'] ) )      # the name, and what stands between it and its value
    (?: (?<=[=]) [^\s&;,"'<>)\]}}]+ | (?<![=]) [^\r\n"'<>)\]}}]+ )  # of a query a word, of a header what there is up to its end
    """
)
_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s\"'<>@]*@")


def is_secret_name(name: str) -> bool:
    """What goes by this name is nobody's business: `X-Api-Key`, `access_token`, `DB_PASSWORD`."""
    return _SECRET_NAME.search(name) is not None


def put_in_place(text: str, shown: Mapping[str, str]) -> str:
    """The text with each of these values replaced by what is shown for it; of two that overlap the longer one."""
    if all(value not in text for value in shown):
        return text
    pattern = "|".join(re.escape(value) for value in sorted(shown, key=len, reverse=True))
    return re.sub(pattern, lambda match: shown[match[0]], text)


class Redaction:
    """What is known to be secret, by what is shown of it."""

    __slots__ = ("_shown",)

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self._shown: dict[str, str] = {}
        self.learn(known or {})

    def __repr__(self) -> str:
        return f"Redaction({len(self._shown)})"

    def learn(self, known: Mapping[str, str]) -> None:
        """Know more of them; what is short is a common word as well as a secret, and stays."""
        for value, written in known.items():
            if len(value) >= LONG:
                # As it stands in a URL, too.
                self._shown |= {value: written, quote(value, safe=""): written}

    def text(self, text: str) -> str:
        """A text as it may be seen."""
        if self._shown:
            text = put_in_place(text, self._shown)  # 1
        # Most have none of these, and looking for every name would take ten times as long.
        if "=" in text or ": " in text or '":' in text or "'," in text:
            text = _PAIR.sub(rf"\1{HIDDEN}", text)  # 2
        return _CREDENTIALS.sub(f"{HIDDEN}@", text) if "@" in text else text  # 3

    def texts(self, value: Any) -> Any:
        """Anything, with every text in it as it may be seen."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.texts(child) for key, child in value.items()}
        return [self.texts(child) for child in value] if isinstance(value, list | tuple) else value

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Named values, of which those are not seen whose names say so."""
        return {name: self._field(str(name), value) for name, value in fields.items()}

    def _field(self, name: str, value: Any) -> Any:
        if value is not None and is_secret_name(name):
            return HIDDEN
        return self.fields(value) if isinstance(value, Mapping) else self.texts(value)
