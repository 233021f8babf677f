"""The table: what passes here, and what the suite publishes of other caches."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from conformance import ROOT
from conformance.known import excuses
from conformance.suite import SOURCE, Case, Part, Results, Suite

PAGE = ROOT / "docs" / "cache-tests.md"

OTHERS = ("Varnish", "nginx", "Squid", "ATS")
"""Caches to stand beside."""

_KINDS = ("required", "optimal")


def report(suite: Suite, results: Results) -> str:
    """A table of what passes for each part, and what does not, as Markdown."""
    return "\n".join([_title(suite), "", *_table(suite, results), "", *_lacks(suite, results)])


def failed(suite: Suite, results: Results) -> list[str]:
    """Required tests that do not pass and could, by their ids."""
    known = excuses(is_source=suite.is_source)
    required = (test for part in suite.parts for test in part.tests if test.kind == "required")
    return [test.id for test in required if results.get(test.id) is not True and test.id not in known]


def write(suite: Suite, text: str, page: Path = PAGE) -> None:
    """Bring the page up to date: its block for this form of the suite."""
    name = "source" if suite.is_source else "package"
    block = re.compile(rf"(<!-- cache-tests: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    page.write_text(block.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page.read_text()))


def _title(suite: Suite) -> str:
    where = (
        f"as it is written now, at {SOURCE.partition(':')[2]}"
        if suite.is_source
        else "as it was last published, in the npm registry"
    )
    return f"Version {suite.version}, {where}."


def _table(suite: Suite, results: Results) -> Iterator[str]:
    others = [one for name in OTHERS for one in suite.published if one.name == name]
    heads = ["", "Fanin", *(f"{one.name} {re.split('[-+]', one.version)[0]}" for one in others)]
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---' for _ in heads)} |"
    of_each = [results, *(one.results for one in others)]
    whole = Part("**all**", [test for part in suite.parts for test in part.tests])
    for part in (*suite.parts, whole):
        if any(test.kind in _KINDS for test in part.tests):
            yield f"| {part.name} | {' | '.join(_counts(part.tests, one) for one in of_each)} |"


def _counts(tests: Sequence[Case], results: Results) -> str:
    """Passed of all that are required, and of those that are optimal."""
    return " · ".join(filter(None, (_count(tests, kind, results) for kind in _KINDS)))


def _count(tests: Iterable[Case], kind: str, results: Results) -> str:
    of_kind = [results.get(test.id) is True for test in tests if test.kind == kind]
    return f"{sum(of_kind)}/{len(of_kind)}{'' if kind == 'required' else ' opt'}" if of_kind else ""


def _lacks(suite: Suite, results: Results) -> Iterator[str]:
    known = excuses(is_source=suite.is_source)
    for kind in _KINDS:
        for test in (test for part in suite.parts for test in part.tests if test.kind == kind):
            ended = results.get(test.id)
            if ended is not True:
                how, what = ended if isinstance(ended, list) else ("no result", "")
                said = f"{'cannot be set up' if how == 'Setup' else 'fails'}: {what}"
                yield f"- {kind}, `{test.id}`: {known.get(test.id, said)}"
