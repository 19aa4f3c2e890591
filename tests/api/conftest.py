"""What the tests of the API share: a client that holds every answer against the description, and one row of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from described import PREFIX, Described
from flask import Flask
from flask.testing import FlaskClient
from one_of_each import one_of_each
from werkzeug.test import TestResponse

from aiapp.executions import jobs
from aiapp.executions.running import leases
from aiapp.executions.streaming import publishing, stream


@pytest.fixture
def described(app: Flask) -> Described:
    return Described(app)


class Api:
    """A client with a bearer token, all of whose answers are held against the description of the API."""

    def __init__(self, client: FlaskClient, described: Described, token: str) -> None:
        self.client, self.described, self.token = client, described, token
        self.headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, json: Any = None, **more: Any) -> TestResponse:
        """Send one request; `key` is its Idempotency-Key."""
        headers = {**self.headers, **more.pop("headers", {})}
        if "key" in more:
            headers["Idempotency-Key"] = more.pop("key")
        answer = self.client.open(PREFIX + path, method=method, json=json, headers=headers, **more)
        self.described.judge(answer)
        return answer


@pytest.fixture
def api(app: Flask, team: Any, described: Described) -> Callable[..., Api]:
    """`api("bob")("GET", "/me")`, `api("bob", scope="read")`."""
    return lambda name, scope="admin": Api(app.test_client(), described, team.token(name, scope))


@pytest.fixture
def work(app: Flask) -> Iterator[Callable[[str], None]]:
    """`work(execution_id)`: do in this process what a worker does with one delivery."""

    def work(execution_id: str) -> None:
        with app.app_context():
            jobs.run(execution_id)
            assert publishing.flush(10)

    yield work
    leases.shutdown.clear()
    stream.closing.clear()


@pytest.fixture
def rows(app: Flask, team: Any) -> dict[str, Any]:
    """One row of each kind in acme, by the names that the routes give their ids."""
    return {**one_of_each(app, team), "slug": "greeting", "number": 1}
