"""Votes: given, changed and withdrawn, logged without a word of theirs, and compared by version."""

from __future__ import annotations

import html
import io
import json
import re
import sys
from urllib.parse import parse_qs, urlsplit

import pytest

from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.feedback import report_views
from aiapp.feedback.models import Feedback
from aiapp.observability import logs
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion


@pytest.fixture
def lines(monkeypatch):
    """Everything that is logged from now on."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure("info")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    monkeypatch.undo()
    logs.configure("warning")


@pytest.fixture
def rated(app, team):
    """A prompt template whose version 1 has `rated(1, up, down)` votes."""
    with app.app_context():
        template = PromptTemplate(workspace_id=team.acme_id, slug="reply", name="Reply", last_number=2)
        db.session.add(template)
        db.session.flush()
        versions = {
            number: PromptVersion(workspace_id=team.acme_id, prompt_template_id=template.id, number=number, body="x")
            for number in (1, 2)
        }
        db.session.add_all(versions.values())
        db.session.commit()
        template_id, ids = template.id, {number: version.id for number, version in versions.items()}

    def rate(number, up, down):
        with app.app_context():
            user = team.access("bob").user
            about = {"prompt_template_id": template_id, "prompt_version_id": ids[number], "source": "page"}
            for rating in ["up"] * up + ["down"] * down:
                row = Execution(workspace_id=team.acme_id, user_id=user.id, status="completed", body="x", **about)
                db.session.add(row)
                db.session.flush()
                vote = {"execution_id": row.id, "user_id": user.id, "rating": rating}
                db.session.add(Feedback(workspace_id=team.acme_id, **vote))
            db.session.commit()
            return row.id

    return rate


def text(answer):
    return answer.get_data(as_text=True)


def test_a_vote_its_change_and_its_withdrawal_are_each_a_line_without_words(rated, sign_in, lines):
    execution_id = rated(1, 1, 0)
    path = f"/w/acme/executions/{execution_id}/feedback"
    vera = sign_in("vera")
    assert "Well written" in text(vera.swap(path, {"rating": "up"}))
    form = {"rating": "up", "has_reasons": "1", "reasons": ["Well written", "Correct"], "comment": "Our secret tone"}
    assert text(vera.swap(path, form)).count(" checked") == 2
    changed = text(vera.swap(path, {**form, "rating": "down"}))
    assert "Incorrect" in changed
    assert " checked" not in changed
    vera.swap(path, {"rating": ""})
    vera.swap(path, {"rating": ""})
    told = [line for line in lines() if line["event"].startswith("feedback.")]
    assert [line["event"] for line in told] == [
        "feedback.given",
        "feedback.changed",
        "feedback.changed",
        "feedback.withdrawn",
    ]
    assert [line["rating"] for line in told] == ["up", "up", "down", "down"]
    assert told[2]["before"] == "up"
    assert {line["execution_id"] for line in told} == {execution_id}
    assert all(line["prompt_version_id"] and line["user_id"] and line["feedback_id"] for line in told)
    assert "secret" not in json.dumps(told)
    assert "Well written" not in json.dumps(told)


def test_a_comment_does_not_stay_with_the_other_thumb_unless_it_is_saved_again(rated, sign_in):
    path, vera = f"/w/acme/executions/{rated(1, 1, 0)}/feedback", sign_in("vera")

    def kept():
        return [line.split(",")[4] for line in text(vera.get("/w/acme/feedback/feedback.csv")).splitlines()[1:2]]

    vera.swap(path, {"rating": "up"})
    vera.swap(path, {"rating": "up", "has_reasons": "1", "comment": "Lovely"})
    assert kept() == ["Lovely"]
    asked = text(vera.swap(path, {"rating": "down", "has_reasons": "1", "comment": "Lovely"}))
    assert ">\nLovely</textarea>" in asked
    assert "Save the comment again" in asked
    assert kept() == [""]
    vera.swap(path, {"rating": "down", "has_reasons": "1", "comment": "Lovely"})
    assert kept() == ["Lovely"]
    vera.swap(path, {"rating": "up", "has_reasons": "1", "comment": "Written just now"})
    assert kept() == ["Written just now"]


def test_reasons_are_counted_for_a_version_alone(rated, sign_in):
    vera = sign_in("vera")
    for number, reason in ((1, "Too long"), (2, "Made up")):
        form = {"rating": "down", "has_reasons": "1", "reasons": [reason]}
        vera.swap(f"/w/acme/executions/{rated(number, 1, 0)}/feedback", form)
    page = text(vera.get("/w/acme/feedback?template=reply&group_by=version"))
    leads = re.findall(r'href="(/w/acme/feedback\?[^"]*version=1[^"]*)"', page)
    alone = text(vera.get(html.unescape(leads[0])))
    assert "Made up" in page
    assert "Made up" not in alone
    assert "Too long" in alone
    assert "Version: 1" in alone


def test_two_versions_are_compared_and_few_votes_tell_nothing(rated, sign_in):
    vera = sign_in("vera")
    path = "/w/acme/feedback?template=reply&group_by=version"
    rated(1, 1, 0)
    assert "Compare" not in text(vera.get(path))
    rated(2, 0, 1)
    page = text(vera.get(path))
    assert "Too close to tell, or too few votes." in page
    assert "21–100 %" in page
    rated(1, 0, 30)
    rated(2, 30, 0)
    assert "v2 is rated better than v1." in text(vera.get(path))
    assert "v1 is rated worse than v2." in text(vera.get(f"{path}&first=2&second=1"))
    assert "Choose two different versions." in text(vera.get(f"{path}&first=2&second=2"))


def test_the_page_says_how_votes_come_about_while_there_are_none_and_when_none_fit(rated, sign_in):
    vera = sign_in("vera")
    assert "No feedback yet" in text(vera.get("/w/acme/feedback"))
    rated(1, 1, 0)
    assert "No votes fit these filters" in text(vera.get("/w/acme/feedback?provider=openai"))
    assert "Votes per week" in text(vera.get("/w/acme/feedback?period=365"))
    odd = "?period=999&rating=sideways&group_by=nonsense&first=x"
    assert vera.get(f"/w/acme/feedback{odd}").status_code == 200


def test_a_rating_limits_the_comments_and_no_share(rated, sign_in):
    rated(1, 1, 3)
    page = text(sign_in("vera").get("/w/acme/feedback?rating=up&group_by=version&template=reply"))
    assert "25 %" in page
    assert page.count("100 %") == 1, "the axis alone"
    assert "Newest comments of good votes" in page
    assert "Only the comments and the file are limited to good votes." in page


def test_a_number_leads_to_the_executions_that_it_counts(rated, sign_in):
    rated(1, 1, 3)
    vera = sign_in("vera")

    def links(query):
        found = re.findall(
            r'href="(/w/acme/executions\?[^"]*feedback=[^"]*)"', text(vera.get(f"/w/acme/feedback?{query}"))
        )
        return [parse_qs(urlsplit(html.unescape(one)).query) for one in found]

    assert links("version=1")[0] == {"feedback": ["up"], "template": ["reply"], "version": ["1"], "period": ["30"]}
    assert links("period=all&rating=up&group_by=version")[1] == {
        "feedback": ["down"],
        "template": ["reply"],
        "version": ["1"],
    }
    assert links("from=2020-01-01&period=7")[0]["from"] == ["2020-01-01"]
    assert set(links("period=365")[0]) == {"feedback", "template", "from"}


def test_comments_are_paged_and_lead_to_their_executions(rated, sign_in, app, monkeypatch):
    monkeypatch.setattr(report_views, "COMMENTS", 1)
    ids = [rated(1, 1, 0) for _ in range(3)]
    bob = sign_in("bob")
    for number, execution_id in enumerate(ids[:2]):
        bob.swap(f"/w/acme/executions/{execution_id}/feedback", {"rating": "up", "comment": f"<b>{number}</b>"})
    page = text(bob.get("/w/acme/feedback"))
    assert f"executions/{ids[1]}" in page
    assert f"executions/{ids[0]}" not in page
    cursor = page.split("_comments?cursor=")[1][:32]
    more = text(bob.get(f"/w/acme/feedback/_comments?cursor={cursor}"))
    assert "&lt;b&gt;0&lt;/b&gt;" in more
    assert f"executions/{ids[0]}" in more
    assert bob.get("/w/acme/feedback/_comments?cursor=%27").status_code == 422
