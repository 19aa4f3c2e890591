"""The list of executions and the page of feedback say one thing, wherever they are asked: page, API, files and SQL."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from aiapp.columns import new_id, now
from aiapp.errors import InvalidInput
from aiapp.executions.lists import listing
from aiapp.executions.lists.filters import Filters
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.feedback.models import Feedback
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.release_models import Label, LabelledVersion
from aiapp.workspaces.models import Workspace

NUMBER = 160


@pytest.fixture
def made(app, team):
    """Executions and votes of all kinds, bob's and vera's; what each is like, by id."""
    dice = random.Random(11)
    with app.app_context():
        people = {name: team.access(name).user.id for name in ("bob", "vera", "adam")}
        templates = [PromptTemplate(workspace_id=team.acme_id, slug=slug, name=slug, last_number=2) for slug in "ab"]
        label = Label(workspace_id=team.acme_id, name="staging")
        db.session.add_all([*templates, label])
        db.session.flush()
        versions = [
            PromptVersion(workspace_id=team.acme_id, prompt_template_id=one.id, number=number, body="x")
            for one in templates
            for number in (1, 2)
        ]
        db.session.add_all(versions)
        db.session.flush()
        pointed = {"workspace_id": team.acme_id, "prompt_template_id": templates[0].id, "label_id": label.id}
        db.session.add(LabelledVersion(**pointed, prompt_version_id=versions[0].id))
        slug, credentials, rows = {one.id: one.slug for one in templates}, [new_id(), new_id()], {}
        for number in range(NUMBER):
            version, at = dice.choice([None, *versions]), now() - timedelta(hours=number * 6)
            took = timedelta(microseconds=dice.choice([400, 999_500, 1_000_000, 1_500_499, 9_000_000]))
            ended = dice.random() < 0.8
            row = Execution(
                id=f"{int(at.timestamp() * 1000):012x}{dice.getrandbits(80):020x}",
                workspace_id=team.acme_id,
                user_id=people[dice.choice(["bob", "vera"])],
                source=dice.choice(["page", "api", "preview"]),
                status=dice.choice(["completed", "failed"]) if ended else "cancelled",
                provider=dice.choice(["openai", "mistral"]),
                model=dice.choice(["gpt", "=cmd|' /C calc'!A0"]),
                credential_id=dice.choice(credentials),
                error_class=dice.choice([None, "auth"]),
                prompt_template_id=version.prompt_template_id if version else None,
                prompt_version_id=version.id if version else None,
                cost=dice.choice([None, Decimal("0.001"), Decimal("0.02"), Decimal(0)]),
                created_at=at,
                started_at=at,
                completed_at=at + took if ended else None,
            )
            db.session.add(row)
            db.session.flush()
            thumbs = {who: dice.choice(["up", "down"]) for who in people if dice.random() < 0.2}
            for who, rating in thumbs.items():
                vote = Feedback(workspace_id=team.acme_id, execution_id=row.id, user_id=people[who], rating=rating)
                vote.comment, vote.created_at = dice.choice(["", "Why not"]), at
                vote.reasons = dice.sample(["Incorrect", "Too long"], dice.randint(0, 2))
                db.session.add(vote)
            told = {name: getattr(row, name) for name in ("status", "source", "provider", "model", "credential_id")}
            told |= {
                "error_class": row.error_class,
                "user": row.user_id,
                "cost": row.cost,
                "at": at,
                "ms": row.duration_ms,
            }
            told |= {"template": slug[version.prompt_template_id] if version else None, "thumbs": thumbs}
            rows[row.id] = told | {"version": version.number if version else None}
        db.session.commit()
        db.session.remove()
    return rows, people, credentials


def filters(people, credentials):
    """Filters as an address has them, and what an execution is like that they find."""
    since = (now() - timedelta(days=12)).replace(microsecond=0)
    one = [
        ({"status": "failed"}, lambda row: row["status"] == "failed"),
        ({"template": "a"}, lambda row: row["template"] == "a"),
        ({"version": "2"}, lambda row: row["version"] == 2),
        ({"version": "staging"}, lambda row: (row["template"], row["version"]) == ("a", 1)),
        ({"provider": "openai"}, lambda row: row["provider"] == "openai"),
        ({"model": "gpt"}, lambda row: row["model"] == "gpt"),
        ({"credential_id": credentials[0]}, lambda row: row["credential_id"] == credentials[0]),
        ({"user": people["vera"]}, lambda row: row["user"] == people["vera"]),
        ({"mine": "1"}, lambda row: row["user"] == people["bob"]),
        ({"source": "preview"}, lambda row: row["source"] == "preview"),
        ({"source": "runs"}, lambda row: row["source"] != "preview"),
        ({"error_class": "auth"}, lambda row: row["error_class"] == "auth"),
        ({"feedback": "any"}, lambda row: bool(row["thumbs"])),
        ({"feedback": "none"}, lambda row: not row["thumbs"]),
        ({"feedback": "down"}, lambda row: "down" in row["thumbs"].values()),
        ({"cost_from": "0.001"}, lambda row: row["cost"] is not None and row["cost"] >= Decimal("0.001")),
        ({"cost_to": "0.001"}, lambda row: row["cost"] is not None and row["cost"] <= Decimal("0.001")),
        ({"duration_from": "1"}, lambda row: row["ms"] is not None and row["ms"] >= 1000),
        ({"duration_to": "1.5"}, lambda row: row["ms"] is not None and row["ms"] <= 1500),
        ({"from": since.isoformat()}, lambda row: row["at"] >= since),
        ({"to": since.isoformat()}, lambda row: row["at"] < since),
    ]
    yield from one
    dice = random.Random(5)
    for _ in range(8):
        chosen = dice.sample(one, dice.randint(2, 4))
        given = {name: value for part, _ in reversed(chosen) for name, value in part.items()}
        parts = [fits for part, fits in one if part.items() <= given.items()]
        yield given, lambda row, parts=parts: all(fits(row) for fits in parts)
    yield {}, lambda row: True


def whole(ask, path, **query):
    """All pages of a list of the API."""
    found, cursor = [], None
    while True:
        answer = ask("GET", path, query_string={**query, "limit": 200, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.json
        found.extend(answer.json["data"])
        cursor = answer.json["next_cursor"]
        if cursor is None:
            return found


def table(answer):
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))


def test_executions_of_every_filter_are_the_same_on_the_page_in_the_api_and_in_files(made, sign_in, api):
    rows, people, credentials = made
    bob, ask = sign_in("bob"), api("bob")
    for given, fits in filters(people, credentials):
        wanted = [key for key in sorted(rows, reverse=True) if fits(rows[key])]
        page = bob.get("/w/acme/executions", query_string={**given, "view": "all"}).get_data(as_text=True)
        shown = re.search(r"([\d,]+) executions?, newest first", page)
        assert (int(shown[1]) if shown else 0) == len(wanted), given
        assert [one["id"] for one in whole(ask, "/executions", **given)] == wanted, given
        exported = table(bob.get("/w/acme/executions/export.csv", query_string=given))
        assert [one["id"] for one in exported] == wanted, given
        assert exported == table(ask("GET", "/executions.csv", query_string=given))
        lines = bob.get("/w/acme/executions/export.jsonl", query_string=given).get_data(as_text=True).splitlines()
        assert [json.loads(line)["id"] for line in lines] == wanted, given
    assert {one["model"] for one in exported} == {"gpt", "'=cmd|' /C calc'!A0"}
    assert sum(int(one["thumbs_up"]) + int(one["thumbs_down"]) for one in exported) == sum(
        len(row["thumbs"]) for row in rows.values()
    )


def test_votes_are_counted_alike_on_the_page_in_the_api_in_the_file_and_by_sql(made, sign_in, api, app, team):
    rows, people, _ = made
    adam, ask = sign_in("adam"), api("adam")
    names = {one: name.capitalize() for name, one in people.items()}
    for given in ({}, {"template": "a"}, {"version": "1"}, {"model": "gpt", "rating": "down"}, {"provider": "xai"}):
        fits = [
            (key, who, rating)
            for key, row in rows.items()
            for who, rating in row["thumbs"].items()
            if given.get("template", row["template"]) == row["template"]
            and ("version" not in given or row["version"] == 1)
            and given.get("model", row["model"]) == row["model"]
            and given.get("provider", row["provider"]) == row["provider"]
        ]
        rated = [one for one in fits if given.get("rating", one[2]) == one[2]]  # which says nothing of shares
        up = sum(rating == "up" for _, _, rating in fits)
        listed = whole(ask, "/feedback", **given)
        assert len(listed) == len(rated)
        file = table(adam.get("/w/acme/feedback/feedback.csv", query_string={**given, "period": "all"}))
        assert [one["id"] for one in file] == [one["id"] for one in listed]
        for group in ("template", "version", "model", "provider", "user", "day", "week"):
            answer = ask("GET", "/feedback/summary", query_string={**given, "group_by": group}).json
            assert answer["totals"]["total"] == sum(one["total"] for one in answer["rows"]) == len(fits), group
            assert answer["totals"]["up"] == sum(one["up"] for one in answer["rows"]) == up
        by_member = {one["label"]: one["total"] for one in ask("GET", "/feedback/summary?group_by=user").json["rows"]}
        assert by_member == {names[people[who]]: sum(who in row["thumbs"] for row in rows.values()) for who in people}
        page = adam.get("/w/acme/feedback", query_string={**given, "period": "all"}).get_data(as_text=True)
        shown = re.search(r"<dt>\s*Votes\s*</dt>\s*<dd>\s*([\d,]+)", page)
        assert (int(shown[1]) if shown else 0) == len(fits), given
    reasons = ask("GET", "/feedback/summary?group_by=reason").json["rows"]
    with app.app_context():
        given = [one for votes in db.session.scalars(sa.select(Feedback.reasons)) for one in votes]
    assert {one["key"]: one["total"] for one in reasons} == {one: given.count(one) for one in set(given)}


def test_who_sees_only_their_own_executions_counts_and_exports_only_these(made, sign_in, api, app, team):
    rows, people, _ = made
    with app.app_context():
        db.session.execute(sa.update(Workspace).where(Workspace.id == team.acme_id).values(private_executions=True))
        db.session.commit()
    own = {key: row for key, row in rows.items() if row["user"] == people["vera"]}
    vera, ask = sign_in("vera"), api("vera")
    votes = sum(len(row["thumbs"]) for row in own.values())
    assert f"{len(own)} executions, newest first" in vera.get("/w/acme/executions").get_data(as_text=True)
    assert {one["id"] for one in table(vera.get("/w/acme/executions/export.csv"))} == set(own)
    assert {one["execution_id"] for one in whole(ask, "/feedback")} <= set(own)
    assert ask("GET", "/feedback/summary").json["totals"]["total"] == votes
    assert len(table(vera.get("/w/acme/feedback/feedback.csv?period=all"))) == votes


def test_only_admins_see_votes_by_member(made, sign_in, api):
    _, people, _ = made
    vera, bobs, own = sign_in("vera"), {"user": people["bob"]}, {"user": people["vera"]}
    for path in ("feedback", "feedback/_comments", "feedback/feedback.csv"):
        assert vera.get(f"/w/acme/{path}", query_string=bobs).status_code == 403
        assert vera.get(f"/w/acme/{path}", query_string=own).status_code == 200
    for path in ("/feedback", "/feedback/summary", "/feedback.csv"):
        assert api("vera")("GET", path, query_string=bobs).status_code == 403
        assert api("vera")("GET", path, query_string=own).status_code == 200
        assert api("adam")("GET", path, query_string=bobs).status_code == 200
    listed, file = whole(api("vera"), "/feedback"), table(vera.get("/w/acme/feedback/feedback.csv?period=all"))
    assert {bool(one["user"]) for one in listed} == {True, False}
    for one, line in zip(listed, file, strict=True):
        told = one["user"]["id"] == people["vera"] or bool(one["comment"]) if one["user"] else not one["comment"]
        assert told, one
        assert bool(line["user"]) is bool(one["user"])
    assert "By member" not in vera.get("/w/acme/feedback?period=all").get_data(as_text=True)
    assert vera.get("/w/acme/feedback?group_by=user").status_code == 403
    assert api("vera")("GET", "/feedback/summary?group_by=user").status_code == 403
    assert "By member" in sign_in("adam").get("/w/acme/feedback?period=all").get_data(as_text=True)


def test_the_pages_ask_a_bounded_number_of_questions(made, sign_in, app):
    bob, asked = sign_in("bob"), []
    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    columns = "feedback,credential,user,created_at"
    for path, most in (
        (f"/w/acme/executions?view=all&columns={columns}", 18),
        ("/w/acme/executions?view=all&feedback=any&version=2&source=runs&cost_from=0", 18),
        ("/w/acme/feedback?period=all&template=a&group_by=version", 20),
    ):
        asked.clear()
        assert bob.get(path).status_code == 200
        assert len(asked) <= most, asked


def test_a_list_says_that_looking_for_a_text_takes_too_long(engine, team, sign_in, monkeypatch):
    endless_numbers = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS i FROM n WHERE i < 0"
    )
    engine.submit()

    def endless(access, filters):
        yield sa.exists(sa.select(sa.literal(1)).select_from(sa.text(f"({endless_numbers}) AS e")).limit(1))

    monkeypatch.setattr(listing, "conditions", endless)
    monkeypatch.setattr(listing, "SEARCH_SECONDS", 0.1)
    page = sign_in("bob").get("/w/acme/executions?q=needle")
    assert page.status_code == 200
    assert "This takes too long" in page.get_data(as_text=True)
    assert 'value="needle"' in page.get_data(as_text=True)
    with pytest.raises(InvalidInput) as refused:
        listing.list_executions(team.access("bob"), Filters(q="needle"))
    assert refused.value.errors == [{"field": "q", "message": listing.TOO_LONG}]
