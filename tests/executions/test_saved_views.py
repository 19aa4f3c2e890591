"""Views of the list that are kept by name, and the columns that people choose."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from aiapp.audit import AuditEvent
from aiapp.executions.lists import saved_views
from aiapp.executions.lists.list_columns import COLUMNS
from aiapp.executions.lists.view_models import SavedView
from aiapp.executions.models import Execution
from aiapp.extensions import db

VIEWS = "/w/acme/executions/views"


@pytest.fixture
def execution(app, team):
    with app.app_context():
        access = team.access("bob")
        row = Execution(workspace_id=team.acme_id, user_id=access.user.id, source="page", status="failed", body="Hi")
        db.session.add(row)
        db.session.commit()
        return row.id


def text(answer):
    return answer.get_data(as_text=True)


def headings(page):
    return re.findall(r"<th scope=\"col\"[^>]*>\s*([^<]*?)\s*</th>", page)


def only_view(app):
    with app.app_context():
        return db.session.scalars(sa.select(SavedView)).one()


def test_a_view_keeps_filters_and_columns_and_opens_them_for_everybody_it_is_shared_with(execution, sign_in, app):
    bob, vera = sign_in("bob"), sign_in("vera")
    form = {"name": " Failures  of mine ", "query": "status=failed&mine=1&nonsense=1", "columns": "cost,model"}
    made = bob.submit(VIEWS, form)
    view = only_view(app)
    assert made.headers["Location"] == f"/w/acme/executions?status=failed&mine=1&view={view.id}"
    assert (view.name, view.query, view.columns) == (
        "Failures of mine",
        {"status": "failed", "mine": "1"},
        ["cost", "model"],
    )
    page = text(bob.get(made.headers["Location"]))
    assert headings(page) == ["Prompt template", "Cost", "Model"]
    assert "Update view" not in page
    assert "Update view" in text(bob.get(f"/w/acme/executions?status=completed&view={view.id}"))
    assert vera.get(f"{VIEWS}/{view.id}").status_code == 404
    assert "Failures of mine" not in text(vera.get("/w/acme/executions"))
    bob.submit(f"{VIEWS}/{view.id}/rename", {"name": "Failures", "shared": "1"})
    assert vera.get(f"{VIEWS}/{view.id}").headers["Location"].endswith(f"view={view.id}")
    assert vera.submit(f"{VIEWS}/{view.id}/delete").status_code == 403
    assert vera.submit(f"{VIEWS}/{view.id}/rename", {"name": "Mine now"}).status_code == 403
    bob.submit(f"{VIEWS}/{view.id}/update", {"query": "q=hello", "columns": ""})
    assert (only_view(app).query, only_view(app).columns) == ({"q": "hello"}, None)
    bob.submit(f"{VIEWS}/{view.id}/delete")
    with app.app_context():
        assert db.session.scalars(sa.select(SavedView)).all() == []
        assert {event.action for event in db.session.scalars(sa.select(AuditEvent))} >= {
            "saved_view.update",
            "saved_view.delete",
        }


def test_a_view_that_cannot_be_updated_leads_back_to_the_list_as_it_was(execution, sign_in, app):
    bob = sign_in("bob")
    bob.submit(VIEWS, {"name": "Failures", "query": "status=failed"})
    view = only_view(app)
    back = bob.submit(f"{VIEWS}/{view.id}/update", {"query": "status=odd&cost_from=1", "columns": "cost"})
    assert back.headers["Location"] == f"/w/acme/executions?status=odd&cost_from=1&columns=cost&view={view.id}"
    page = text(bob.get(back.headers["Location"]))
    assert "The view stays as it was. There is no such status: odd." in page
    assert only_view(app).query == {"status": "failed"}


def test_there_is_an_end_to_shared_views_whichever_way_they_come(execution, sign_in, app, monkeypatch):
    monkeypatch.setattr(saved_views, "MOST", 1)
    bob = sign_in("bob")
    assert bob.submit(VIEWS, {"name": "Ours", "query": "", "shared": "1"}).status_code == 303
    assert bob.submit(VIEWS, {"name": "More", "query": "", "shared": "1"}).status_code == 422
    assert bob.submit(VIEWS, {"name": "Mine", "query": ""}).status_code == 303
    with app.app_context():
        mine = db.session.scalars(sa.select(SavedView).where(SavedView.name == "Mine")).one().id
    refused = bob.submit(f"{VIEWS}/{mine}/rename", {"name": "Mine, too", "shared": "1"})
    assert refused.status_code == 422
    assert "Mine, too" in text(refused)
    assert "Delete one first" in text(refused)


def test_a_list_opens_with_the_view_that_its_reader_chose_and_with_all_once_it_is_gone(execution, sign_in, app):
    bob = sign_in("bob")
    bob.submit(VIEWS, {"name": "Failures", "query": "status=failed"})
    view = only_view(app)
    bob.submit(f"{VIEWS}/first", {"view": view.id})
    assert bob.get("/w/acme/executions").headers["Location"] == f"/w/acme/executions?status=failed&view={view.id}"
    assert bob.get("/w/acme/executions?view=all").status_code == 200
    assert sign_in("vera").get("/w/acme/executions").status_code == 200
    bob.submit(f"{VIEWS}/{view.id}/delete")
    assert bob.get("/w/acme/executions").status_code == 200
    assert bob.submit(f"{VIEWS}/first", {"view": view.id}).status_code == 404


def test_a_name_is_there_once_and_what_was_typed_stays(execution, sign_in, app, team):
    bob = sign_in("bob")
    for name, said in (("", "Give it a name"), ("x" * 61, "at most 60"), ("Taken", None), ("Taken", "already")):
        answer = bob.submit(VIEWS, {"name": name, "query": "status=failed"})
        assert (answer.status_code == 303) == (said is None)
        if said:
            assert said in text(answer)
            assert "status=failed" in text(answer)
    assert sign_in("adam").submit(VIEWS, {"name": "Taken", "query": "", "shared": "1"}).status_code == 303
    assert sign_in("vera").submit(VIEWS, {"name": "Ours", "query": "", "shared": "1"}).status_code == 403
    with app.app_context():
        access = team.access("bob")
        assert [view.shared for view in saved_views.listed(access)] == [True, False]


def test_columns_are_chosen_and_ordered_without_a_script(execution, sign_in, app):
    bob = sign_in("bob")
    usual = headings(text(bob.get("/w/acme/executions")))
    assert usual == ["Prompt template", "Status", "Model", "By", "Tokens", "Cost", "Duration", "Started"]
    form = {"order": ["status", "id", "cost"], "column": ["status", "cost"]}
    moved = text(bob.submit("/w/acme/executions/columns", {**form, "up": "cost"}))
    assert re.findall(r'name="order" value="(\w+)"', moved) == ["status", "cost", "id"]
    assert len(re.findall(r"name=\"column\"[^>]*\bchecked\b", moved)) == 2
    assert headings(text(bob.get("/w/acme/executions"))) == usual
    bob.submit("/w/acme/executions/columns", {"order": ["cost", "status"], "column": ["status", "cost"]})
    assert headings(text(bob.get("/w/acme/executions"))) == ["Prompt template", "Cost", "Status"]
    assert bob.submit("/w/acme/executions/columns", {"order": ["cost"], "query": "status=failed"}).status_code == 422
    bob.submit(VIEWS, {"name": "Short", "query": "", "columns": "id"})
    view = only_view(app)
    keep = {"query": f"view={view.id}", "keep": "view", "order": ["model"], "column": ["model"]}
    bob.submit("/w/acme/executions/columns", keep)
    assert headings(text(bob.get(f"/w/acme/executions?view={view.id}"))) == ["Prompt template", "Model"]
    bob.submit("/w/acme/executions/columns", {"usual": "1"})
    assert headings(text(bob.get("/w/acme/executions"))) == usual


def test_every_column_has_a_cell_and_a_poll_and_the_next_rows_keep_them(execution, sign_in):
    bob = sign_in("bob")
    page = text(bob.get(f"/w/acme/executions?columns={','.join(COLUMNS)}"))
    assert headings(page) == ["Prompt template", *COLUMNS.values()]
    columns = "id,feedback,error_class,credential"
    rows = text(bob.get(f"/w/acme/executions/_more?columns={columns}"))
    assert rows.count("<td") == 5
    poll = text(bob.get(f"/w/acme/executions/_status?ids={execution}&columns={columns}"))
    assert poll.count("<td") == 5
    assert execution in re.sub(r'id="[^"]*"|href="[^"]*"', "", poll)


def test_what_cannot_be_read_of_an_address_limits_nothing_and_is_said(execution, sign_in):
    page = text(
        sign_in("bob").get("/w/acme/executions?cost_from=cheap&from=yesterday&status=odd&duration_to=NaN&to=9999-12-31")
    )
    assert "Some filters were left out" in page
    for said in (
        "cheap is not a number",
        "yesterday is not a day",
        "no such status: odd",
        "at least 0",
        "at that time",
    ):
        assert said in page
    assert "1 execution, newest first" in page


def test_the_api_keeps_views_too(execution, api):
    bob, vera = api("bob"), api("vera")
    made = bob("POST", "/saved-views", {"name": "Failures", "query": {"status": "failed"}, "is_default": True})
    assert (made.status_code, made.json["shared"], made.json["is_default"], made.json["columns"]) == (
        201,
        False,
        True,
        None,
    )
    path = f"/saved-views/{made.json['id']}"
    assert vera("GET", path).status_code == 404
    changed = bob("PATCH", path, {"shared": True, "columns": ["cost"], "is_default": False}).json
    assert (changed["name"], changed["shared"], changed["columns"], changed["is_default"]) == (
        "Failures",
        True,
        ["cost"],
        False,
    )
    assert [one["id"] for one in vera("GET", "/saved-views").json["data"]] == [made.json["id"]]
    assert vera("PATCH", path, {"name": "x"}).status_code == vera("DELETE", path).status_code == 403
    for body in (
        {"query": {"color": "red"}},
        {"query": {"cost_to": "much"}},
        {"columns": ["cost", "cost"]},
        {"name": " "},
    ):
        answer = bob("PATCH", path, body)
        assert answer.status_code == 422, body
        assert answer.json["errors"][0]["field"] in {"color", "cost_to", "columns", "name"}
    assert vera("POST", "/saved-views", {"name": "My own", "query": {}}).status_code == 201
    assert api("vera", "read")("POST", "/saved-views", {"name": "Another"}).status_code == 403
    assert bob("DELETE", path).status_code == 204
    assert bob("GET", path).status_code == 404
