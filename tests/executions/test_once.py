"""A form that is sent twice makes one execution, with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from redis import Redis

from aiapp.columns import now
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates import actions, library

RUN = "/w/acme/prompt-templates/greeting/run"
CREATE = "/w/acme/executions"


@pytest.fixture
def form(app: Flask, team: Any) -> Callable[[Any], dict[str, str]]:
    """`form(client)`: what the run form of a published prompt template sends, rendered anew."""
    with app.app_context():
        bob = team.access("bob")
        template = actions.create(bob, {"name": "Greeting", "body": "Hi {{name}}"})
        actions.publish(bob, library.version(bob, template, 1), "First")

    def form(client: Any) -> dict[str, str]:
        page = client.get(RUN).get_data(as_text=True)
        found = re.search(r'name="once"\s+value="(\w+)"', page)
        assert found
        return {"prompt_template": "greeting", "once": found[1], "var-name": "Amina"}

    return form


def executions(app: Flask) -> list[Execution]:
    with app.app_context():
        return list(db.session.scalars(sa.select(Execution).order_by(Execution.id)))


def end(app: Flask, seconds: int) -> None:
    with app.app_context():
        db.session.execute(
            sa.update(Execution).values(status="completed", created_at=now() - timedelta(seconds=seconds))
        )
        db.session.commit()


def test_one_rendered_form_makes_one_execution(app: Flask, sign_in: Any, form: Any) -> None:
    bob = sign_in("bob")
    sent = form(bob)
    first, second = bob.submit(CREATE, sent), bob.submit(CREATE, sent)
    assert (first.status_code, first.location) == (303, second.location)
    assert f"/w/acme/executions/{executions(app)[0].id}" in bob.swap(CREATE, sent).get_data(as_text=True)
    assert len(executions(app)) == 1
    end(app, 1)  # faster than a double click
    bob.submit(CREATE, sent)
    assert len(executions(app)) == 1


def test_a_deliberate_second_run_is_another_execution(app: Flask, sign_in: Any, form: Any) -> None:
    bob = sign_in("bob")
    sent = form(bob)
    bob.submit(CREATE, sent)
    bob.submit(CREATE, form(bob))  # the page anew
    bob.submit(CREATE, {**sent, "var-name": "Noor"})  # other words
    assert [one.body for one in executions(app)] == ["Hi Amina", "Hi Amina", "Hi Noor"]
    end(app, 60)
    bob.submit(CREATE, sent)  # after the answer
    assert len(executions(app)) == 4


def test_nobody_meets_an_execution_by_another_ones_form(app: Flask, sign_in: Any, form: Any) -> None:
    bob, vera = sign_in("bob"), sign_in("vera")
    sent = form(bob)
    assert bob.submit(CREATE, sent).location != vera.submit(CREATE, sent).location


def test_without_redis_a_run_is_still_made(app: Flask, sign_in: Any, form: Any, monkeypatch: Any) -> None:
    bob = sign_in("bob")
    sent = form(bob)
    monkeypatch.setitem(app.extensions, "aiapp.redis", Redis.from_url("unix:///nowhere"))
    assert bob.submit(CREATE, sent).status_code == 303
    assert len(executions(app)) == 1
