"""The list of executions under every combination of its filters: what is found, and by which index."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from aiapp.columns import now
from aiapp.executions import actions
from aiapp.executions.actions import Filters
from aiapp.executions.lists import listing
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.feedback.models import Feedback
from aiapp.prompt_templates.models import PromptTemplate

pytestmark = pytest.mark.long

DICE = random.Random(7)
NEWEST = now()
CREDENTIALS = ("c" * 32, "d" * 32)


@pytest.fixture
def acme(app, team):
    """Executions of all kinds: a tenth of a second apart, each with its thumb or without."""
    with app.app_context():
        bob, vera = team.access("bob"), team.access("vera")
        templates = [PromptTemplate(workspace_id=team.acme_id, slug=slug, name=slug, last_number=0) for slug in "ab"]
        db.session.add_all(templates)
        db.session.flush()
        rows = []
        for number in range(180):
            made = NEWEST - timedelta(seconds=number)
            row = Execution(
                id=f"{int(made.timestamp() * 1000) - DICE.randrange(900):012x}{DICE.getrandbits(80):020x}",
                workspace_id=team.acme_id,
                user_id=DICE.choice([bob.user.id, vera.user.id]),
                source=DICE.choice(["page", "api", "preview"]),
                status=DICE.choice(["completed", "completed", "failed"]),
                provider=DICE.choice(["openai", "openai", "mistral", None]),
                model=DICE.choice(["gpt", "small", None]),
                prompt_template_id=DICE.choice([None, *(template.id for template in templates)]),
                credential_id=DICE.choice(CREDENTIALS),
                error_class=DICE.choice(["auth", None]),
                cost=DICE.choice([Decimal("0.01"), Decimal("0.02"), None]),
                created_at=made,
                started_at=made,
                completed_at=DICE.choice([made + timedelta(milliseconds=DICE.randrange(3000)), None]),
            )
            rows.append(row)
            db.session.add(row)
            if rating := DICE.choice([None, None, "up", "down"]):
                db.session.flush()
                db.session.add(
                    Feedback(workspace_id=team.acme_id, execution_id=row.id, user_id=bob.user.id, rating=rating)
                )
        db.session.commit()
        yield bob, vera, sorted(rows, key=lambda row: row.id, reverse=True)
        db.session.remove()


def choices(vera):
    """A few values of each filter, and what a row must be like for each."""
    thumbs = dict(db.session.execute(sa.select(Feedback.execution_id, Feedback.rating)).all())
    slugs = dict(db.session.execute(sa.select(PromptTemplate.id, PromptTemplate.slug)).all())
    middle = NEWEST - timedelta(seconds=100)
    return {
        "status": {value: (lambda row, value=value: row.status == value) for value in ("failed", "pending")},
        "provider": {value: (lambda row, value=value: row.provider == value) for value in ("mistral", "xai")},
        "model": {"small": lambda row: row.model == "small"},
        "template": {
            value: (lambda row, value=value: slugs.get(row.prompt_template_id) == value) for value in ("a", "unknown")
        },
        "user": {vera.user.id: lambda row: row.user_id == vera.user.id},
        "feedback": {
            "up": lambda row: thumbs.get(row.id) == "up",
            "any": lambda row: row.id in thumbs,
            "none": lambda row: row.id not in thumbs,
        },
        "credential_id": {CREDENTIALS[0]: lambda row: row.credential_id == CREDENTIALS[0]},
        "source": {
            "preview": lambda row: row.source == "preview",
            "runs": lambda row: row.source != "preview",
        },
        "error_class": {"auth": lambda row: row.error_class == "auth"},
        "cost_from": {Decimal("0.02"): lambda row: row.cost is not None and row.cost >= Decimal("0.02")},
        "duration_to": {Decimal(1): lambda row: row.duration_ms is not None and row.duration_ms <= 1000},
        "since": {middle: lambda row: row.created_at >= middle},
        "until": {middle: lambda row: row.created_at < middle},
    }


def combinations(offered):
    for number in range(3):
        for names in itertools.combinations(offered, number):
            for values in itertools.product(*(offered[name] for name in names)):
                yield dict(zip(names, values, strict=True))


def test_every_combination_of_filters_finds_what_it_says(acme):
    bob, vera, rows = acme
    offered = choices(vera)
    for given in combinations(offered):
        wanted = [row.id for row in rows if all(offered[name][value](row) for name, value in given.items())]
        page = actions.list_executions(bob, Filters(**given), limit=20, texts=False)
        assert [row.id for row in page.rows] == wanted[:20], given
        if page.next_cursor:
            rest = actions.list_executions(bob, Filters(**given), limit=200, cursor=page.next_cursor)
            assert [row.id for row in rest.rows] == wanted[20:], given


def test_on_sqlite_several_filters_are_answered_by_one_index_that_has_them_all(acme):
    """By the index of one of them, every row of that one would be fetched, though hardly any may be shown."""
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by what its statistics say of the values")
    bob, vera, _ = acme
    offered = choices(vera)
    columns = set(offered) - {"since", "until"}
    plans = []

    def explain(connection, cursor, statement, parameters, *more):
        if "FROM execution" in statement and not statement.startswith("EXPLAIN"):
            found = connection.connection.dbapi_connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.append(next(row[3] for row in found if row[3].startswith(("SEARCH execution", "SCAN execution"))))

    sa.event.listen(db.engine, "before_cursor_execute", explain)
    for given in combinations(offered):
        several = len(given.keys() & columns) > 1
        listing.list_executions(bob, Filters(**given), texts=False)
        assert plans[-1].startswith("SEARCH execution USING INDEX ix_execution_"), (given, plans[-1])
        assert ("ix_execution_listed" in plans[-1]) >= several, (given, plans[-1])
    sa.event.remove(db.engine, "before_cursor_execute", explain)
    assert len(plans) > 100
