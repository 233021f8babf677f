"""`gateway plan` and `gateway routes`: what will run, and for which requests."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

ENDPOINTS = """
  - path: /a/{id}
    summary: One of them
    inputs: { key: { in: query, default: "${TOKEN:-none}" } }
    steps:
      end: { get: "users /users/{path.id}" }
      graph: { get: 'users /x?a={not_null(query.key, `"<b>#"`)}', needs: [end] }
      answer: { get: users /x, optional: true, fallback: [] }
      request: { get: users /x, needs: [answer], retry: { attempts: 3 }, cache: { ttl: 30s } }
    response: { g: graph, s: steps.request.status, f: [end.id] }
  - path: /a/me
    steps: { user: { get: users /users/1, when: query.all } }
  - path: /a/me
    method: POST
    steps: { user: { get: users /users/1 } }
"""


@pytest.fixture
def plan(run: Any, write: Any) -> Any:
    """Print plans of `ENDPOINTS`."""
    return lambda *arguments, **environ: run("plan", "--config", write(ENDPOINTS), *arguments, **environ)


def test_all_plans_are_printed_with_a_line_between_them(plan: Any) -> None:
    """In the order written."""
    done = plan()

    assert (done.status, done.err) == (0, "")
    assert [part.split("  ")[0] for part in done.out.split("\n\n")] == ["GET /a/{id}", "GET /a/me", "POST /a/me"]
    assert "  answer   GET users /x" in done.out
    assert "needs answer · cache 30s · retry 3" in done.out


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("/a/{id}", ["GET /a/{id}"]),
        ("/a/42", ["GET /a/{id}"]),
        ("/a/42?limit=5", ["GET /a/{id}"]),
        ("GET /a/42", ["GET /a/{id}"]),
        ("get  /a/42", ["GET /a/{id}"]),
        ("/a/me", ["GET /a/me", "POST /a/me"]),
        ("POST /a/me", ["POST /a/me"]),
        ("GET /a/me?x", ["GET /a/me"]),
    ],
)
def test_an_endpoint_is_found_as_written_and_as_called(plan: Any, asked: str, expected: list[str]) -> None:
    """What is printed is what would answer, one plan a method."""
    done = plan(asked, "--format", "json")

    assert [f"{one['method']} {one['path']}" for one in json.loads(done.out)] == expected


def test_the_most_specific_endpoint_is_the_one_that_answers(run: Any, write: Any) -> None:
    """Plain text before a parameter, segment by segment, whatever was written first."""
    steps = "{ steps: { user: { get: users /x } }, path: "
    file = write("".join(f"  - {steps} '{path}' }}\n" for path in ("/{a}/{b}", "/{a}/me", "/x/{b}")))

    printed = [run("plan", "-c", file, path).out.split("  ")[0] for path in ("/x/me", "/y/me", "/y/z")]

    assert printed == ["GET /x/{b}", "GET /{a}/me", "GET /{a}/{b}"]


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("/aa/42", "did you mean GET /a/{id}?"),
        ("/a/mee/x", "did you mean GET /a/{id}?"),
        ("post /a/ma", "did you mean POST /a/me?"),
        ("DELETE /a/42", "did you mean GET /a/{id}?"),
        ("/completely/different", "`gateway routes` lists those there are"),
    ],
)
def test_an_unknown_endpoint_is_status_2_with_a_hint(plan: Any, asked: str, hint: str) -> None:
    """The hint is the endpoint that resembles it, the caller's values standing for its parameters."""
    done = plan(asked)

    assert (done.status, done.out) == (2, "")
    assert done.err == f"gateway: no endpoint answers {asked}; {hint}\n"


def test_the_plan_as_json_has_all_that_runs(plan: Any) -> None:
    """Policies with every field, what is not there as null."""
    endpoint = json.loads(plan("/a/{id}", "--format", "json").out)[0]

    step = endpoint["steps"][3]
    assert (endpoint["timeout"], [one["name"] for one in endpoint["inputs"]]) == (2.0, ["id", "key"])
    assert (step["name"], step["upstream"], step["target"], step["needs"]) == ("request", "users", "/x", ["answer"])
    assert (step["retry"]["attempts"], step["cache"]["ttl"], step["timeout"], step["when"]) == (3, 30.0, None, None)


def test_when_is_shown_as_written(plan: Any) -> None:
    """The expression's own text."""
    assert json.loads(plan("GET /a/me", "--format", "json").out)[0]["steps"][0]["when"] == "query.all"


@pytest.mark.parametrize("secret", ['quo"te\\and more', "upstream", "methods:"], ids=str)
def test_what_came_from_the_environment_is_shown_as_written(plan: Any, secret: str) -> None:
    """Whatever it is, the JSON stays JSON, its keys stay what they are, and the value is nowhere in it."""
    done = plan("--format", "json", TOKEN=secret)

    inputs = json.loads(done.out)[0]["inputs"]
    assert inputs[1]["schema"]["default"] == "${TOKEN:-none}"
    assert set(json.loads(done.out)[0]["steps"][0]) >= {"upstream", "method"}


def test_a_diagram_shows_what_waits_for_what(plan: Any) -> None:
    """Arrows to the answer come from the steps it shows and from those nothing waits for; a dotted one may come to nothing."""
    done = plan("/a/{id}", "--format", "mermaid")

    first, *lines = done.out.splitlines()
    assert first == "flowchart LR"
    assert sorted(line.strip() for line in lines if ">" in line and "[" not in line) == [
        "request --> step_end",
        "request -.-> step_answer",
        "step_answer --> step_request",
        "step_end --> answer",
        "step_end --> step_graph",
        "step_graph --> answer",
        "step_request --> answer",
    ]


def test_without_a_template_the_answer_shows_every_step(run: Any, write: Any) -> None:
    """Also one that another waits for."""
    file = write("  - path: /a\n    steps: { x: { get: users /x }, y: { get: 'users /{x.id}' } }\n")

    out = run("plan", "-c", file, "--format", "mermaid").out

    assert out.count("--> answer") == 2


def test_a_step_that_the_answer_does_not_show_leads_to_it_all_the_same(run: Any, write: Any) -> None:
    """The answer waits for it, unless another step does."""
    steps = "{ x: { get: users /x }, y: { get: users /y }, z: { get: 'users /{x.id}' } }"
    file = write(f"  - path: /a\n    steps: {steps}\n    response: {{ z: z.id }}\n")

    out = run("plan", "-c", file, "--format", "mermaid").out

    assert [line.strip() for line in out.splitlines() if line.endswith("--> answer")] == [
        "step_y --> answer",
        "step_z --> answer",
    ]


def test_a_diagram_has_what_may_come_instead_beside_its_step(run: Any, write: Any) -> None:
    """Calls that stand in each behind the one that failed, ends with their status, an undo; every arrow says when."""
    file = write("""
  - path: /a
    method: POST
    steps:
      x:
        post: users /x
        on_status: { 404: end }
        end: { when: '"x" == `1`', status: 451 }
        undo: { delete: users /x }
        optional: true
        fallback: { post: users /x2, on_status: { 404: end, 410: end }, fallback: { post: users /x3, fallback: null } }
""")

    out = run("plan", "-c", file, "--format", "mermaid").out

    assert [line.strip() for line in out.splitlines()[4:]] == [
        "request -.-> step_x",
        "step_x -.-> answer",
        'else1_x["POST users /x2"]',
        'step_x -.->|"else"| else1_x',
        'else2_x["POST users /x3"]',
        'else1_x -.->|"else"| else2_x',
        'undo_x["DELETE users /x"]',
        'step_x -.->|"undo"| undo_x',
        'end1_x(["404"])',
        'step_x -.->|"on 404"| end1_x',
        'end2_x(["410"])',
        'step_x -.->|"on 410"| end2_x',
        'end3_x(["451"])',
        'step_x -.->|"when #34;x#34; == #96;1#96;"| end3_x',
    ]


def test_a_diagram_shows_loops_and_where_they_are_joined(run: Any, write: Any) -> None:
    """A loop has a double border and says what it goes through; what is joined leads back, and to the answer only where that names it."""
    file = write("""
  - path: /a
    steps:
      list: { get: users /list }
      each:
        for_each: list[].id
        when: list
        get: users /x/{item}
        batch: { get: "users /x?ids={items}", size: 20 }
        join: { into: "list[]", on: id, as: of }
    response: { all: list }
""")

    out = run("plan", "-c", file, "--format", "mermaid").out

    assert [line.strip() for line in out.splitlines()[3:]] == [
        'step_list["list<br/>GET users /list"]',
        "request --> step_list",
        "step_list --> answer",
        'step_each[["each<br/>GET users /x?ids=#123;items#125;<br/>when list<br/>for each list[].id, 20 a call"]]',
        "step_list --> step_each",
        'step_each -->|"list[] as of"| step_list',
    ]


def test_bodies_that_go_by_have_a_thick_arrow(run: Any, write: Any) -> None:
    """Both ways."""
    file = write("  - { path: /a, passthrough: true, steps: { x: { get: users /x } } }\n")

    out = run("plan", "-c", file, "--format", "mermaid").out

    assert "request ==> step_x" in out
    assert "step_x ==> answer" in out


def test_a_label_is_one_line(run: Any, write: Any) -> None:
    """A line break in an expression would end the arrow that it stands on."""
    file = write(
        "  - path: /a\n    steps:\n      x:\n        get: users /x\n        when: |\n          query.a &&\n            query.b\n"
    )

    out = run("plan", "-c", file, "--format", "mermaid").out

    assert 'step_x["x<br/>GET users /x<br/>when query.a #38;#38; query.b"]' in out


@pytest.mark.parametrize("output", ["text", "mermaid", "json"])
def test_no_format_shows_what_came_from_the_environment(run: Any, write: Any, output: str) -> None:
    """Wherever in a plan it stands."""
    file = write("""
  - path: /a
    headers: { X-Secret: "${SECRET}" }
    steps:
      x:
        get: users /x
        end: { when: x.a, status: 200, value: "${SECRET}" }
        headers: { X-Secret: "${SECRET}" }
        query: { key: "${SECRET}", short: "${SHORT}" }
        optional: true
        fallback: ["${SECRET}"]
""")

    done = run("plan", "-c", file, "--format", output, SECRET="surely-a-secret", SHORT="s3cr")

    assert done.status == 0
    assert "surely-a-secret" not in done.out
    assert '"s3cr"' not in done.out


def test_the_json_shows_what_came_from_the_environment_as_written(run: Any, write: Any) -> None:
    """What is short where it stands alone, what is long within a text too, which stays as it is around it."""
    step = '{ get: users /, query: { a: "${SHORT}", b: "s3cr", c: "two\\nlines of ${SECRET}", d: "a s3cr" } }'
    file = write(f"  - path: /a\n    steps: {{ x: {step} }}\n")

    out = run("plan", "-c", file, "--format", "json", SECRET="surely-a-secret", SHORT="s3cr").out

    values = [one["value"] for one in json.loads(out)[0]["steps"][0]["query"]]
    assert values == ["${SHORT}", "${SHORT}", "two\nlines of ${SECRET}", "a s3cr"]


def test_a_word_of_mermaids_is_never_a_nodes_name(plan: Any) -> None:
    """`end`, `graph` and our own `request` and `answer` are names of steps like any other."""
    out = plan("--format", "mermaid").out

    names = re.findall(r"^\s*(\w+)\(?\[", out, flags=re.MULTILINE)
    assert len(names) == len(set(names)) == 12
    assert not {"end", "graph", "subgraph", "default"} & set(names)


def test_a_label_has_no_character_that_means_something(plan: Any) -> None:
    """Quotes, angle brackets, braces, backticks and `#` are written as entities; between labels there are only names and arrows."""
    out = plan("--format", "mermaid").out

    labels = re.findall(r'\["(.*?)"\]', out)
    assert len(labels) == 15
    assert all(re.fullmatch(r"(?:<br/>|#\d+;|[^#\"<>&`{}])*", label) for label in labels)
    assert "#96;#34;#60;b#62;#35;#34;#96;" in out


def test_several_diagrams_are_one_with_boxes(plan: Any) -> None:
    """Mermaid reads one diagram from a file; every box is opened and closed."""
    lines = [line.strip() for line in plan("--format", "mermaid").out.splitlines()]

    assert lines.count("flowchart LR") == 1
    assert [line.split("[")[0] for line in lines if line.startswith("subgraph")] == [
        "subgraph plan1",
        "subgraph plan2",
        "subgraph plan3",
    ]
    assert lines.count("end") == 3


def test_routes_are_listed_in_columns(run: Any, write: Any) -> None:
    """Method, path and summary, one endpoint a line, nothing at a line's end."""
    done = run("routes", "--config", write(ENDPOINTS))

    assert (done.status, done.err) == (0, "")
    assert done.out == "GET    /a/{id}  One of them\nGET    /a/me\nPOST   /a/me\n"
