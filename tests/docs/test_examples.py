"""The examples' own rules: what a block is, what its output may leave open, and that a wrong one is noticed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from doc_examples import Command, Running, Story, matches, parse, put_ports, read_commands, whole
from sybil import Sybil
from sybil.example import SybilFailure

Try = Callable[[str], None]


@pytest.fixture
def attempt(running_: Running, tmp_path: Path) -> Try:
    """Runs the examples of a text as if it were a document."""

    def run(text: str) -> None:
        file = tmp_path / "text.md"
        file.write_text(text)
        story = Story(running_)
        try:
            for example in Sybil(parsers=[parse]).parse(file).examples():
                example.namespace["story_"] = story
                example.evaluate()
        finally:
            story.close()

    return run


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\nb", "a\nc\n", False),
        ("a\n...\nd", "a\nb\nc\nd\n", True),
        ("a\n...\nd", "a\nd\n", True),
        ("a\n...\nd", "a\nb\nc\n", False),
        ("took … here", "took long here", True),
        ("took … here", "took long\nhere", False),
        ("took 1.2 ms", "took   340 ms", True),
        ("took 1.2 ms", "took 1.2 s", False),
        ("user  ━━━━ 1.2 ms", "user ━━   340.1 ms", True),
        ("user  ━…━ 1.2 ms", "user ━━   340.1 ms", True),
        ("user;dur=1.2", "user;dur=33", True),
        ("traceparent: 00-" + 32 * "a" + "-" + 16 * "b" + "-01", "traceparent: 00-" + 32 * "c" + "-" + 16 * "d" + "-01", True),
        ("traceparent: 00-" + 32 * "a" + "-" + 16 * "b" + "-01", "traceparent: 00-" + 32 * "c" + "-" + 16 * "d" + "-00", False),
        ("Date: Mon\nx: 1", "date: Tue\r\nx: 1\r\n", True),
        ("", "", True),
        ("", "a", False),
    ],
    ids=str,
)
def test_output_is_compared_but_for_what_varies(expected: str, actual: str, same: bool) -> None:
    """Durations, ids and dates differ from run to run; nothing else may."""
    assert matches(expected, actual) is same


def test_commands_end_where_the_shell_ends_them() -> None:
    """Quotes, continued lines and here-documents belong to the command; what follows is output, then perhaps a status."""
    text = "$ cat > f <<'E'\na: '\nE\n$ curl -d '{\n}' \\\n  x\nout\n[7]\n\n$ false\n[1]\n"

    assert list(read_commands(text)) == [
        Command("cat > f <<'E'\na: '\nE", "", 0),
        Command("curl -d '{\n}' \\\n  x", "out", 7),
        Command("false", "", 1),
    ]


def test_only_ports_are_replaced() -> None:
    """A number that happens to be a port's stays what it is."""
    text = "http://127.0.0.1:9101/users/9101?port 9101 9101"

    assert put_ports(text, lambda port: port + 1) == "http://127.0.0.1:9102/users/9101?port 9102 9101"


def test_a_fragment_is_set_where_its_marker_says() -> None:
    """The fragment's keys stand beside those that are there, and in place of those of the same name."""
    config = whole("url: http://127.0.0.1:1\ntimeout: 1s\n", "upstreams.users")

    assert '"users": {"url": "http://127.0.0.1:1", "timeout": "1s"}, "orders"' in config


@pytest.mark.parametrize(
    "text",
    [
        "```yaml\nversion: 1\nendpoints: []\n```",
        "```yaml\na: 1\n```",
        "<!-- part of: upstreams.users -->\n```yaml\ntimeout: 5\n```",
        "<!-- not run: -->\n```yaml\na: 1\n```",
        "```json\n{a: 1}\n```",
        "```python\nassert False\n```",
        "```toml\na = 1\n```",
        "```\na\n```",
        "```console\n$ echo a\nb\n```",
        "```console\n$ exit 1\n```",
        "```console\n$ true\n[1]\n```",
        "```console\necho a\n```",
        "```console\n$ gateway check none.yaml\ngateway: cannot read the config none.yaml: …\n[1]\n```",
    ],
    ids=lambda text: text.replace("\n", "|"),
)
def test_a_wrong_example_is_noticed(attempt: Try, text: str) -> None:
    """What does not compile, run, parse or print as written is a failure, and so is what nobody knows how to run."""
    with pytest.raises((SybilFailure, AssertionError, ValueError)):
        attempt(text)


@pytest.mark.slow
def test_a_document_is_one_story(attempt: Try) -> None:
    """A file that one block writes is there for the next, Python's names stay, and nothing of it is left for another document."""
    attempt(
        "<!-- file: a.json -->\n```json\n[1]\n```\n```python\nimport json, pathlib\nvalue = json.loads(pathlib.Path('a.json').read_text())\n```\n"
        "```python\nassert value == [1]\n```\n```console\n$ cat a.json\n[1]\n...\n```\n"
    )

    attempt("```console\n$ cat a.json\ncat: a.json: No such file or directory\n[1]\n```\n")


@pytest.mark.slow
def test_a_gateway_of_the_documents_own_takes_the_documented_port(attempt: Try) -> None:
    """A command that ends with `&` runs on; calls to 8080 then reach it, and not the showcase."""
    config = (
        "version: 1\nupstreams: {users: {url: 'http://127.0.0.1:9101'}}\n"
        "endpoints: [{path: '/{id}', steps: {user: {get: 'users /users/{path.id}'}}}]"
    )

    attempt(
        f"```console\n$ cat > gateway.yaml <<'E'\n{config}\nE\n$ gateway serve --config gateway.yaml &\nfanin serves 1 endpoint of "
        "gateway.yaml on http://127.0.0.1:8080, documented at http://127.0.0.1:8080/docs, administered on http://127.0.0.1:8081/api\n"
        "$ python -c \"import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/7').status)\"\n200\n```"
    )


def test_what_a_machine_cannot_run_is_skipped_aloud(attempt: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without curl there is nothing to say about its examples, and that is said."""
    monkeypatch.setenv("PATH", "")

    with pytest.raises(pytest.skip.Exception, match="NOT RUN: no bash and no curl here"):
        attempt("```console\n$ curl http://127.0.0.1:9101/livez\n```\n")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_nothing_of_a_document_is_left(attempt: Try, running_: Running) -> None:
    """Faults are switched off, and what ran in the background has ended, when the next document begins."""
    story = Story(running_)
    story.run('curl -X PUT http://127.0.0.1:9101/_chaos -d \'{"mode": "hang"}\'')
    story.run("gateway serve --config config/minimal.yaml &")
    process = story.background

    story.close()

    assert process
    assert process.poll() is not None
    attempt('```console\n$ curl http://127.0.0.1:9101/_chaos\n{…"mode":null,…}\n```\n')


def test_what_is_not_run_is_left_alone(attempt: Try) -> None:
    """With a reason above it, a block may be anything."""
    attempt("<!-- not run: needs a cluster -->\n```toml\na = \n```\n")
