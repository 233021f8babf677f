"""Endpoints written as classes, served; and the gateway's app inside another."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field, computed_field, field_validator

from gateway import Endpoint, Gateway, off_loop, step, telemetry
from gateway.errors import StartError

CONFIG = """
version: 1
upstreams:
  users: { url: "http://users.test" }
  orders: { url: "http://orders.test" }
"""


class User(BaseModel):
    id: int
    segment: str = "new"


class Order(BaseModel):
    id: int
    total: float


class Home(Endpoint, path="/v1/home/{user_id}", timeout="2s"):
    """Everything the home screen shows, in one call."""

    user: User = step("users /users/{path.user_id}")
    orders: list[Order] = step("orders /orders?user={user.id}", optional=True, fallback=[])


def gateway_over(upstreams, config=CONFIG):
    return Gateway.from_text(config, endpoints=[Home], transport=httpx.MockTransport(upstreams.async_handler))


@asynccontextmanager
async def client_of(app) -> AsyncIterator[httpx.AsyncClient]:
    wire = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=wire, base_url="http://gateway.test") as client:
        yield client


async def test_answer_has_what_the_types_make_of_the_replies(serve, upstreams):
    """Defaults are there, what no type has is not, and the bytes are those of the types."""
    upstreams.get("http://users.test/users/7").respond(json={"id": "7", "password": "s3cret"})
    upstreams.get("http://orders.test/orders", params={"user": "7"}).respond(text='[{"id": 1, "total": 5, "more": []}]')
    client = await serve(CONFIG, endpoints=[Home])

    answer = await client.get("/v1/home/7")

    assert answer.text == '{"user":{"id":7,"segment":"new"},"orders":[{"id":1,"total":5.0}]}'
    assert answer.headers["gateway-complete"] == "true"


async def test_client_does_not_learn_what_did_not_fit(serve, upstreams, traces):
    """A wrong shape is a bad gateway for the client; where it was wrong stands in the trace, and what was there nowhere."""
    upstreams.get("http://users.test/users/7").respond(json={"id": "s3cret"})
    client = await serve(CONFIG, endpoints=[Home])

    answer = await client.get("/v1/home/7")

    (reason,) = [span.own[telemetry.STEP_REASON] for span in traces[0].spans if telemetry.STEP_REASON in span.own]
    assert (answer.status_code, answer.json()["type"]) == (502, "urn:problem:fanin:upstream-invalid-reply")
    assert "s3cret" not in answer.text
    assert "int_parsing" not in answer.text
    assert reason == "does not fit its type: id (int_parsing)"


async def test_optional_step_that_does_not_fit_is_missing(serve, upstreams):
    """Its fallback stands in, and the answer says so."""
    upstreams.get("http://users.test/users/7").respond(json={"id": 7})
    upstreams.get("http://orders.test/orders").respond(json=[{"id": 1}])
    client = await serve(CONFIG, endpoints=[Home])

    answer = await client.get("/v1/home/7")

    assert answer.json()["orders"] == []
    assert [error["step"] for error in answer.json()["errors"]] == ["orders"]
    assert answer.headers["gateway-complete"] == "false"


class Screen(BaseModel):
    greeting: str = Field(serialization_alias="Greeting")
    spent: float


class Shown(Home, path="/v1/shown/{user_id}"):
    def answer(self) -> Screen:
        return Screen(greeting=f"Hello {self.user.segment}", spent=sum(order.total for order in self.orders))


class Slow(Home, path="/v1/slow/{user_id}"):
    threads: ClassVar[list[int]] = []

    @off_loop
    def answer(self) -> dict[str, User]:
        self.threads.append(threading.get_ident())
        return {"who": self.user}


class Summed(Home, path="/v1/summed/{user_id}"):
    @computed_field
    @property
    def total(self) -> float:
        return sum(order.total for order in self.orders)

    @field_validator("orders")
    @classmethod
    def has_no_free_order(cls, orders: list[Order]) -> list[Order]:
        if any(order.total == 0 for order in orders):
            raise ValueError(f"s3cret {orders}")
        return orders


async def answer_of(serve, upstreams, endpoint, path, total=5):
    upstreams.get("http://users.test/users/7").respond(json={"id": 7})
    upstreams.get("http://orders.test/orders").respond(json=[{"id": 1, "total": total}, {"id": 2, "total": 7.5}])
    client = await serve(CONFIG, endpoints=[endpoint])
    return await client.get(path)


async def test_method_makes_the_answer_of_typed_values(serve, upstreams):
    """It is given the whole model, and what it returns is written by the type that it says it returns."""
    answer = await answer_of(serve, upstreams, Shown, "/v1/shown/7")

    assert answer.json() == {"Greeting": "Hello new", "spent": 12.5}


async def test_method_that_takes_long_runs_in_a_thread(serve, upstreams):
    """Marked as a function of `transform` is."""
    answer = await answer_of(serve, upstreams, Slow, "/v1/slow/7")

    assert answer.json() == {"who": {"id": 7, "segment": "new"}}
    assert Slow.threads
    assert threading.get_ident() not in Slow.threads


async def test_computed_fields_are_in_the_answer(serve, upstreams):
    """A class that computes something is the answer itself."""
    answer = await answer_of(serve, upstreams, Summed, "/v1/summed/7")

    assert answer.json()["total"] == 12.5
    assert list(answer.json()) == ["user", "orders", "total"]


async def test_class_that_cannot_be_made_costs_no_500(serve, upstreams, caplog):
    """It is a 502: there is nothing to answer. What a validator refuses the log tells by its place, and its values nowhere."""
    answer = await answer_of(serve, upstreams, Summed, "/v1/summed/7", total=0)

    assert (answer.status_code, answer.json()["type"]) == (502, "urn:problem:fanin:unshapeable")
    assert "orders (value_error)" in caplog.text
    assert "s3cret" not in caplog.text + answer.text


async def test_classes_stand_beside_the_endpoints_of_the_config(serve, upstreams):
    """Both answer, and both are documented."""
    upstreams.get("http://users.test/users/7").respond(json={"id": 7})
    client = await serve(
        f"{CONFIG}endpoints: [{{path: '/v1/user/{{id}}', steps: {{u: {{get: 'users /users/{{path.id}}'}}}}}}]", endpoints=[Home]
    )

    answer = await client.get("/v1/user/7")
    document = (await client.get("/openapi.json")).json()

    assert answer.json() == {"u": {"id": 7}}
    assert set(document["paths"]) == {"/v1/home/{user_id}", "/v1/user/{id}"}


async def test_app_can_be_mounted_in_another(upstreams):
    """With the gateway's lifespan as its own, the outer app answers for the gateway below its path, documents included."""
    upstreams.get("http://users.test/users/7").respond(json={"id": 7})
    upstreams.get("http://orders.test/orders").respond(json=[])
    gateway = gateway_over(upstreams)
    outer = FastAPI(lifespan=gateway.lifespan)
    outer.mount("/api", gateway.app)

    async with client_of(outer) as client:
        answer = await client.get("/api/v1/home/7")
        missing = await client.get("/api/v1/nothing")
        docs = await client.get("/api/docs")
        document = await client.get("/api/openapi.json")

    assert answer.json() == {"user": {"id": 7, "segment": "new"}, "orders": []}
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    assert "/api/openapi.json" in docs.text
    assert document.json()["servers"] == [{"url": "/api"}]


async def test_mounted_app_that_nobody_started_says_how(upstreams):
    """The client learns nothing of it, the log how it is done."""
    outer = FastAPI()
    outer.mount("/api", gateway_over(upstreams).app)

    async with client_of(outer) as client:
        with pytest.raises(StartError, match="give its gateway's `lifespan`"):
            await client.get("/api/v1/home/7")


async def test_lifespan_ends_with_that_of_the_outer_app(upstreams):
    """What it owns is closed again."""
    gateway = gateway_over(upstreams)
    outer = FastAPI(lifespan=gateway.lifespan)
    outer.mount("/api", gateway.app)

    async with client_of(outer) as client:
        ready = await client.get("/api/readyz")
    wire = httpx.ASGITransport(outer)
    async with httpx.AsyncClient(transport=wire, base_url="http://gateway.test") as client:
        stopped = await client.get("/api/readyz")

    assert (ready.status_code, stopped.status_code) == (200, 503)


async def test_app_can_be_extended(upstreams):
    """Routes of one's own stand beside endpoints, with middleware around both."""
    upstreams.get("http://users.test/users/7").respond(json={"id": 7})
    upstreams.get("http://orders.test/orders").respond(json=[])
    app = gateway_over(upstreams).app

    @app.get("/hello")
    async def me() -> User:
        return User(id=1)

    @app.middleware("http")
    async def mark(request, call_next):
        response = await call_next(request)
        response.headers["x-mark"] = "1"
        return response

    async with client_of(app) as client:
        own, endpoint = await client.get("/hello"), await client.get("/v1/home/7")

    assert endpoint.json()["user"] == {"id": 7, "segment": "new"}
    assert own.json() == {"id": 1, "segment": "new"}
    assert {own.headers["x-mark"], endpoint.headers["x-mark"]} == {"1"}


async def test_document_has_the_types(serve):
    """Of fields, each by its name, and of what the class says that its answer is."""
    client = await serve(CONFIG, endpoints=[Home, Shown])

    document = (await client.get("/openapi.json")).json()

    home, shown = (
        document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
        for path in ("/v1/home/{user_id}", "/v1/shown/{user_id}")
    )
    assert home["user"]["properties"] == {"id": {"type": "integer"}, "segment": {"type": "string", "default": "new"}}
    assert home["orders"] == {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}
    assert set(document["components"]["schemas"]["Order"]["properties"]) == {"id", "total"}
    assert shown["Greeting"] == {"type": "string"}
    assert "user" not in shown
