"""`${VAR}`, `${VAR:-default}`, `${file:/path}`: values from outside the file."""

from __future__ import annotations

import pytest

from gateway.errors import StartError
from gateway.load import load_file, load_text

ENVIRON = {"SET": "value", "EMPTY": "", "NUMBER": "12345", "WORD": "true", "NESTED": "${SET}", "BRACES": "p{ss}w", "SPACE": " x "}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${SET}", "value"),
        ('"${SET}"', "value"),
        ("'${SET}'", "value"),
        ("a ${SET} b ${SET}", "a value b value"),
        ("${SET:-other}", "value"),
        ("${UNSET:-other}", "other"),
        ("${UNSET:-}", ""),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY}", ""),
        ("a${EMPTY}b", "ab"),
        ("${NUMBER}", "12345"),
        ("${UNSET:-5}", "5"),
        ("${WORD}", "true"),
        ("${UNSET:-http://127.0.0.1:9101/a?b}", "http://127.0.0.1:9101/a?b"),
        ("$${SET}", "${SET}"),
        ("$${SET} ${SET}", "${SET} value"),
        ("$SET", "$SET"),
        ("$", "$"),
        ("$$", "$$"),
        ("${NESTED}", "${SET}"),
        ("${BRACES}", "p{ss}w"),
        ("${SPACE}", " x "),
    ],
)
def test_value_from_the_environment_stays_text(written, value):
    """It is put in place once, as text: neither a number, nor true, nor read again for what stands in it."""
    loaded = load_text(f"key: {written}\n", environ=ENVIRON)

    assert loaded.source.tree["key"] == value


@pytest.mark.parametrize("written", ["${UNSET}", "a ${UNSET} b"])
def test_variable_that_is_not_set_is_a_finding(written, findings):
    """An empty url or key would be found out much later."""
    (finding,) = [
        one for one in findings(f"version: 1\nendpoints: []\nupstreams: {{a: {{url: '{written}'}}}}") if "UNSET" in str(one)
    ]

    assert finding.message == "the environment has no UNSET; set it, or write a default: ${UNSET:-…}"
    assert finding.place == (3, 22)


@pytest.mark.parametrize("written", ["${", "${}", "a ${b c}", "${1A}", "${SET:default}", "${file:}", "${SET-x}", "$${} ${"])
def test_malformed_reference_to_the_outside_is_a_finding(written, findings):
    """What looks like a variable and is none was meant to be one."""
    messages = [one.message for one in findings(f"a: '{written}'\nversion: 1\nendpoints: []") if one.path == "a"]

    assert messages[0] == "a '${' that is none of ${VAR}, ${VAR:-default}, ${file:/path}; write $${ for the text itself"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("s3cret", "s3cret"),
        ("s3cret\n", "s3cret"),
        ("s3cret\r\n", "s3cret"),
        (" s3 cret \n\n", " s3 cret "),
        ("", ""),
        ("12", "12"),
    ],
)
def test_file_is_read_without_its_last_line_break(tmp_path, content, value):
    """Editors and `echo` end a file with a line break; everything else is the secret's own."""
    file = tmp_path / "secret"
    file.write_bytes(content.encode())

    loaded = load_text(f"key: ${{file:{file}}}")

    assert loaded.source.tree["key"] == value


@pytest.mark.parametrize("kind", ["missing", "folder", "binary", "nul"])
def test_file_that_cannot_be_read_is_a_finding(tmp_path, findings, kind):
    """Whatever the reason is, it is one finding that names the file."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    file = rf"{tmp_path}/nul\0" if kind == "nul" else f"{tmp_path}/{kind}"

    messages = [one.message for one in findings(f'a: "${{file:{file}}}"\nversion: 1\nendpoints: []') if one.path == "a"]

    assert [message.partition(str(tmp_path))[0] for message in messages] == ["cannot read the file "]


def test_fields_convert_what_they_want(compiled):
    """A variable is text; a field that wants a number, a duration or a boolean reads it."""
    (plan,) = compiled(
        """
version: 1
answer: { server_timing: "${OFF}" }
cache: { size: "${SIZE}" }
upstreams: { a: { url: "http://a:${PORT}", timeout: "${TIME}", retry: { attempts: "${THREE}" } } }
endpoints: [{ path: /, steps: { a: { get: a /, optional: "${ON}", accept: ["${STATUS}"] } } }]
""",
        {"OFF": "false", "ON": "true", "SIZE": "1MiB", "PORT": "80", "TIME": "2s", "THREE": "3", "STATUS": "203"},
    )

    assert plan.steps[0].recipe.upstream.url == "http://a:80"
    assert plan.steps[0].recipe.expects.accept == {203}
    assert str(plan).splitlines()[1] == "  a  GET a /  optional · accepts 203 · retry 3 · attempt 2s"


def test_text_from_outside_is_never_a_reference(compiled):
    """A password may have braces; what is referenced is what the file itself says."""
    (plan,) = compiled(
        """
version: 1
upstreams: { a: { url: http://a } }
endpoints:
  - path: /{id}
    steps:
      a:
        get: a /
        headers: { X-A: "{path.id}: ${BRACES} {{${BRACES}}} {path.id}" }
        query: { b: "${BRACES}" }
""",
        {"BRACES": "{{p{path.id}\\1}}"},
    )

    ((_, header),) = plan.steps[0].recipe.headers
    ((_, query),) = plan.steps[0].recipe.target.query
    scope = {"path": {"id": 7}}
    assert header(scope) == "7: {{p{path.id}\\1}} {{{p{path.id}\\1}}} 7"
    assert query(scope) == "{{p{path.id}\\1}}"


def test_config_that_is_not_there_does_not_start(tmp_path):
    """No file is no config with mistakes in it: there is nothing to report on."""
    with pytest.raises(StartError, match=r"cannot read the config .*nowhere\.yaml: No such file"):
        load_file(tmp_path / "nowhere.yaml")


def test_config_in_another_encoding_does_not_start(tmp_path):
    """Guessing encodings makes other words of what was written."""
    file = tmp_path / "gateway.yaml"
    file.write_bytes("summary: é".encode("latin-1"))

    with pytest.raises(StartError, match="not UTF-8 text"):
        load_file(file)


def test_config_file_is_named_in_its_findings(tmp_path):
    """So that editors can jump to the place."""
    file = tmp_path / "gateway.yaml"
    file.write_text("version: 1\n", encoding="utf-8")

    (finding,) = load_file(file).findings

    assert str(finding) == f"{file}:1:1 endpoints: 'endpoints' is required here"
