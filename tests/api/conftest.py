"""What the tests of the API share: a client that holds every answer against the description, and one row of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from described import PREFIX, Described
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from aiapp.credentials import actions as credentials
from aiapp.executions import actions, jobs, leases, publishing, stream
from aiapp.executions.submission import Submission
from aiapp.extensions import db
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library
from aiapp.workspaces import actions as workspaces
from aiapp.workspaces.models import Membership


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
    with app.app_context():
        alice, bob = team.access("alice"), team.access("bob")
        credential = credentials.create(
            alice, {"provider": "demo", "name": "Demo", "preferred_model": "demo-instant", "is_default": True}
        )
        template = prompt_templates.create(bob, {"name": "Greeting", "body": "Say hello to {{name}}."})
        prompt_templates.publish(bob, library.version(bob, template, 1), "First")
        execution = actions.submit(bob, Submission(prompt_template="greeting", context={"name": "Ada"}))
        invitation, _ = workspaces.invite(alice, "new@example.com", "viewer")
        token, _ = workspaces.create_token(bob, "bob's", "read")
        membership = db.session.scalars(bob.select(Membership).where(Membership.user_id == bob.user.id)).one()
        found = {
            "credential_id": credential.id,
            "slug": template.slug,
            "number": 1,
            "execution_id": execution.id,
            "invitation_id": invitation.id,
            "token_id": token.id,
            "membership_id": membership.id,
        }
        db.session.remove()
    return found
