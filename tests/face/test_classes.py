"""What a class makes of its fields and keywords, besides what the golden files show."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from gateway import Endpoint, step
from gateway.compile import compile_plans
from gateway.face import StepWriter, read_class
from gateway.face.words import EndpointWords, StepWords
from gateway.load import load_text
from gateway.spec import METHODS, EndpointSpec, StepSpec


class User(BaseModel):
    id: int


class Home(Endpoint, path="/v1/home/{user_id}"):
    """Everything the home screen
    shows.

    And more that clients need not know.
    """

    user: User = step("users /users/{path.user_id}")
    total: Annotated[int, Field(ge=0)] = step("users /total", optional=True, fallback=0)
    anything: Any = step("users /anything")


def keys(spec: type[BaseModel]) -> set[str]:
    return {info.alias or name for name, info in spec.model_fields.items()}


def test_steps_have_the_same_words_in_both_faces():
    """A word that a config may have is one that editors complete: write it in `gateway/face/words.py` too."""
    assert set(StepWords.__annotations__) == keys(StepSpec) - set(METHODS)


def test_endpoints_have_the_same_words_in_both_faces():
    """So is a word of an endpoint; its steps are the fields."""
    assert set(EndpointWords.__annotations__) == keys(EndpointSpec) - {"steps"}


def test_steps_are_written_by_the_same_methods_in_both_faces():
    """`step.post(…)` for `post: …`."""
    assert {name for name in vars(StepWriter) if not name.startswith("_")} == set(METHODS)


def test_class_stays_a_model_that_can_be_made():
    """Steps are no defaults: a model is made of values, and of all of them."""
    made = Home(user=User(id=1), total=2, anything=None)

    assert made.user.id == 1
    with pytest.raises(ValidationError, match="3 validation errors"):
        Home.model_validate({"total": -1})


def test_first_paragraph_of_the_docstring_is_the_summary():
    """On one line."""
    assert read_class(Home).data["summary"] == "Everything the home screen shows."


def test_class_without_a_docstring_has_no_summary():
    """What `Endpoint` says of itself is not inherited."""

    class Plain(Endpoint, path="/plain"):
        user: User = step("users /users/1")

    assert "summary" not in read_class(Plain).data


def test_annotations_of_a_field_belong_to_its_type():
    """A bound is checked; a field of any type is not looked at."""
    types = read_class(Home).model.types

    assert types["total"].schema == {"type": "integer", "minimum": 0}
    assert set(types) == {"user", "total"}


def test_class_whose_file_cannot_be_read_is_found_by_its_line():
    """In a terminal there is no file; the finding still says which class it is, and which part of it."""
    scope: dict[str, Any] = {"__name__": "console"}
    exec(
        compile(
            "from gateway import Endpoint, step\nclass Home(Endpoint, path='/'):\n  a: int = step('usrs /')", "<stdin>", "exec"
        ),
        scope,
    )

    loaded = load_text("version: 1\nupstreams: {}", classes=[read_class(scope["Home"])])

    with pytest.raises(Exception, match=r"^<stdin>:2:1 Home.a.get: unknown upstream 'usrs'$"):
        compile_plans(loaded)


def test_class_of_the_same_name_is_told_apart(findings):
    """The statement that made the class is the one looked at, wherever in the file it stands."""
    text = """
        def make():
            class Home(Endpoint, path="/v1/home"):
                user: User = step("users /users/1")
            return Home


        class Home(Endpoint, path="/v1/home"):
            user: User = step("usrs /users/1")


        Other = make()
        """

    assert (
        findings(text)
        == [
            "home.py:9:23 Home.user.get: unknown upstream 'usrs'; did you mean 'users'?",
            "home.py:3:31 Home.path: Home answers GET /v1/home already",
        ][::-1]
    )


@pytest.mark.parametrize("config", ["endpoints: 5", "endpoints: {a: 1}", "- 5"])
def test_config_that_is_none_is_told_of_first(classes, config):
    """Classes cannot join what is no list; nothing is raised, and the config's mistake is a finding."""
    read = [read_class(one) for one in classes('class Home(Endpoint, path="/"):\n    user: User = step("users /")')]

    loaded = load_text(f"version: 1\n{config}" if config != "- 5" else config, classes=read)

    assert loaded.findings
