"""The pages of executions: the list, one execution, what it wrote, and the thumbs under it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
import sqlalchemy as sa

from aiapp.columns import now
from aiapp.executions.models import Attempt, Execution
from aiapp.extensions import db
from aiapp.feedback.models import Feedback
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library
from aiapp.prompt_templates.models import PromptVersion

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> {{7*7}} <a href='javascript:alert(3)'>x</a>"


@pytest.fixture
def add(app, team):
    """Add an execution of acme with these columns; returns its id."""

    def add(**columns):
        with app.app_context():
            access = team.access(columns.pop("by", "bob"))
            values = {"source": "page", "status": "completed", "body": "Hi", "format": "text", "output": "Hello"}
            row = Execution(workspace_id=access.workspace.id, user_id=access.user.id, **{**values, **columns})
            db.session.add(row)
            db.session.commit()
            return row.id

    return add


@pytest.fixture
def template(app, team):
    """A published prompt template with one required variable, and a draft after it."""
    with app.app_context():
        access = team.access("bob")
        made = prompt_templates.create(access, {"name": "Greeting", "body": "Greet {{name}}."})
        prompt_templates.publish(access, library.version(access, made, 1), "First")
        prompt_templates.new_draft(access, library.version(access, made, 1))
    return "greeting"


def text(answer):
    return answer.get_data(as_text=True)


def test_the_list_is_empty_with_one_way_on(sign_in):
    page = text(sign_in("bob").get("/w/acme/executions"))
    assert "No executions yet" in page
    assert "<table" not in page


def test_the_list_filters_and_says_when_nothing_fits(sign_in, add):
    add(status="failed", error_class="auth", output=None, model="gpt-x")
    add(output="about penguins", model="claude-y")
    bob = sign_in("bob")
    page = text(bob.get("/w/acme/executions?status=failed"))
    assert "gpt-x" in page.split("<tbody")[1]
    assert "claude-y" not in page.split("<tbody")[1]
    assert "claude-y" in text(bob.get("/w/acme/executions?q=penguins")).split("<tbody")[1]
    assert "Nothing fits" in text(bob.get("/w/acme/executions?q=walrus"))
    for odd in ("?status=nonsense", "?period=999", "?q=%25", "?feedback=any", "?mine=1"):
        assert bob.get(f"/w/acme/executions{odd}").status_code == 200, odd
    assert bob.get("/w/acme/executions?cursor=nonsense").status_code == 422


def test_the_list_pages_on_without_repeating(sign_in, add):
    for number in range(60):
        add(output=f"answer {number}")
    bob = sign_in("bob")
    first = text(bob.get("/w/acme/executions"))
    shown = re.findall(r'<tr id="execution-([0-9a-f]{32})"', first)
    cursor = re.search(r'_more\?[^"]*cursor=([0-9a-f]{32})', first)[1]
    rest = re.findall(r'<tr id="execution-([0-9a-f]{32})"', text(bob.get(f"/w/acme/executions/_more?cursor={cursor}")))
    assert len(shown) == 50
    assert len(rest) == 10
    assert set(shown).isdisjoint(rest)


def test_a_text_is_called_by_its_first_words(sign_in, add):
    body = "Summarise   the\nminutes of <b>Monday</b>, and name everybody who owes somebody an answer."
    title = "Summarise the minutes of &lt;b&gt;Monday&lt;/b&gt;, and name…"
    execution_id = add(body=body, status="completed")
    add(body="x" * 5000)
    bob = sign_in("bob")
    for path in ("executions", "executions/_more", f"executions/_status?ids={execution_id}"):
        page = text(bob.get(f"/w/acme/{path}"))
        assert f">{title}</a>" in page, path
        assert "Free text" not in page
    assert f">{'x' * 47}…</a>" in text(bob.get("/w/acme/executions"))
    assert f"<h1>{title}</h1>" in text(bob.get(f"/w/acme/executions/{execution_id}"))


def test_the_list_reads_the_first_words_of_all_at_once(app, sign_in, add):
    bob = sign_in("bob")
    counts = []
    for number in (1, 20):
        for _ in range(number):
            add(body="Hi")
        statements = []
        with app.app_context():
            engine = db.engine

        def note(connection, cursor, statement, *rest, found=statements):
            found.append(statement)

        sa.event.listen(engine, "before_cursor_execute", note)
        bob.get("/w/acme/executions")
        sa.event.remove(engine, "before_cursor_execute", note)
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_one_poll_refreshes_the_rows_and_ends_when_all_have_ended(app, sign_in, add):
    running, ended = add(status="processing", output=None), add()
    bob = sign_in("bob")
    assert f"ids={running}" in text(bob.get("/w/acme/executions"))
    polled = text(bob.get(f"/w/acme/executions/_status?ids={running},{ended},nonsense"))
    assert "hx-trigger" in polled
    with app.app_context():
        db.session.execute(sa.update(Execution).values(status="completed"))
        db.session.commit()
    polled = text(bob.get(f"/w/acme/executions/_status?ids={running}"))
    assert "hx-trigger" not in polled.split("<hx-partial")[0]
    assert "Completed" in polled


def test_the_page_of_one_that_waits_polls_and_one_that_ended_does_not(sign_in, add):
    bob = sign_in("bob")
    older = now() - timedelta(seconds=4)
    waiting = text(bob.get(f"/w/acme/executions/{add(status='pending', output=None, created_at=older)}"))
    assert 'hx-trigger="every 1s"' in waiting
    retrying = add(status="pending", output=None, round=1, next_attempt_at=now() + timedelta(seconds=9))
    assert 'hx-trigger="every 1s"' in text(bob.get(f"/w/acme/executions/{retrying}"))
    fresh = add(status="pending", output=None)
    for part in ("", "/_live", "/_panel"):
        assert 'hx-trigger="every 250ms"' in text(bob.get(f"/w/acme/executions/{fresh}{part}")), part
    running = text(bob.get(f"/w/acme/executions/{add(status='processing', output=None)}"))
    assert "hx-sse:connect" in running
    ended = text(bob.get(f"/w/acme/executions/{add()}/_live"))
    assert 'hx-trigger="every' not in ended
    assert "hx-sse:connect" not in ended


def test_every_attempt_stands_there_with_its_reason(app, sign_in, add):
    execution_id = add(model="m2")
    with app.app_context():
        row = db.session.get(Execution, execution_id)
        shared = {"workspace_id": row.workspace_id, "execution_id": row.id, "provider": "demo", "started_at": now()}
        first = Attempt(
            number=1,
            model="m1",
            status="failed",
            error_class="auth",
            http_status=401,
            reason="Default credential",
            next_reason="The key was refused; the next credential is tried.",
            credential_name="old key",
            **shared,
        )
        second = Attempt(
            number=2,
            model="m2",
            status="completed",
            reason="Second in the fallback order",
            duration_ms=1200,
            credential_name="new key",
            **shared,
        )
        db.session.add_all([first, second])
        db.session.commit()
    page = text(sign_in("vera").get(f"/w/acme/executions/{execution_id}"))
    assert "Default credential. The key was refused; the next credential is tried." in page
    assert "<code>auth</code> 401" in page
    assert "Second in the fallback order." in page
    attempts = page.split('id="attempts"')[1]
    assert attempts.index("old key") < attempts.index("new key")


def test_a_failure_says_what_and_what_to_do(sign_in, add):
    execution_id = add(status="failed", output=None, error_class="quota", error_message="You exceeded your quota.")
    page = text(sign_in("bob").get(f"/w/acme/executions/{execution_id}"))
    assert "the account is out of credit" in page
    assert "You exceeded your quota." in page
    assert "/w/acme/credentials" in page


@pytest.mark.parametrize("output_format", ["text", "markdown", "json"])
def test_hostile_output_is_shown_as_text(sign_in, add, output_format):
    page = text(sign_in("bob").get(f"/w/acme/executions/{add(output=HOSTILE, format=output_format)}"))
    body = page.split('id="output"')[1].split("</section>")[0]
    assert "<script" not in body
    assert "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", body)
    assert 'href="javascript' not in body


def test_no_input_becomes_an_attribute(sign_in, add):
    """`hx-post` in an attribute would act with the reader's rights: what stands in quotes must stay there."""
    context = {
        "spec": 'x" hx-post="/w/acme/settings" hx-trigger="load',
        "hx-get=/y hx-trigger=load z": {"a": '" hx-get=/z'},
    }
    execution_id = add(context=context)
    seen = Attributes()
    seen.feed(text(sign_in("alice").get(f"/w/acme/executions/{execution_id}")))
    assert context in [json.loads(one) for one in seen.copied if one.startswith("{")]
    assert "/w/acme/settings" not in [value for name, value in seen.attributes if name.startswith("hx-")]
    assert not {"/y", "/z"} & {value for _, value in seen.attributes}


class Attributes(HTMLParser):
    """Every attribute of a page, as a browser reads it."""

    def __init__(self):
        super().__init__()
        self.attributes, self.copied = [], []

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        self.copied += [value for name, value in attrs if name == "data-copy"]


def test_html_output_runs_in_a_frame_without_rights_only(sign_in, add):
    bob = sign_in("bob")
    execution_id = add(output=HOSTILE, format="html")
    page = text(bob.get(f"/w/acme/executions/{execution_id}"))
    frame = re.search(r"<iframe[^>]*>", page)[0]
    assert 'sandbox=""' in frame
    document = bob.get(f"/w/acme/executions/{execution_id}/document")
    assert document.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert bob.get(f"/w/acme/executions/{add()}/document").status_code == 404


def test_the_output_is_downloaded_never_shown(sign_in, add):
    answer = sign_in("bob").get(f"/w/acme/executions/{add(output=HOSTILE, format='html')}/output")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert text(answer) == HOSTILE
    assert sign_in("bob").get(f"/w/acme/executions/{add(output=None)}/output").status_code == 404


def test_a_prompt_template_is_run_with_and_without_scripts(app, sign_in, template):
    vera = sign_in("vera")
    form = {"prompt_template": template, "var-name": "Ada"}
    assert "/w/acme/executions/" in vera.submit("/w/acme/executions", form).headers["Location"]
    panel = vera.swap("/w/acme/executions", form)
    assert panel.status_code == 200
    assert 'id="test-run"' in text(panel)
    with app.app_context():
        bodies = db.session.scalars(sa.select(Execution.body)).all()
    assert bodies == ["Greet Ada."] * 2


def test_a_missing_variable_is_named_and_nothing_starts(app, sign_in, template):
    bob = sign_in("bob")
    beside = bob.swap("/w/acme/executions", {"prompt_template": template})
    assert beside.status_code == 422
    assert "<code>name</code>" in text(beside)
    page = bob.submit("/w/acme/executions", {"prompt_template": template})
    assert page.status_code == 422
    assert "Back to the prompt template" in text(page)
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Execution)) == 0


def test_a_viewer_runs_published_versions_and_nothing_else(sign_in, template):
    vera = sign_in("vera")
    assert (
        vera.submit("/w/acme/executions", {"prompt_template": template, "version": "2", "var-name": "x"}).status_code
        == 403
    )
    assert vera.swap("/w/acme/executions", {"template": "any text"}).status_code == 403
    assert vera.get("/w/acme/executions/new").status_code == 403


def test_a_text_is_run_and_mistakes_keep_what_was_typed(sign_in):
    bob = sign_in("bob")
    assert bob.submit("/w/acme/executions", {"template": "Say hi", "format": "text"}).status_code == 303
    wrong = bob.submit("/w/acme/executions", {"template": "Say {{x}}", "context": "{not json", "temperature": "hot"})
    assert wrong.status_code == 422
    assert "Say {{x}}" in text(wrong)
    assert "not JSON" in text(wrong)
    assert bob.submit("/w/acme/executions", {"template": "Say {{x}}", "context": "[1]"}).status_code == 422
    assert bob.submit("/w/acme/executions", {"template": "Say {{x}}", "context": "[" * 100_000}).status_code == 422
    assert bob.submit("/w/acme/executions", {"template": "x", "credential_id": "0" * 32}).status_code == 404


def test_repeating_links_to_the_parent(app, sign_in, template):
    bob = sign_in("bob")
    first = bob.submit("/w/acme/executions", {"prompt_template": template, "var-name": "Ada"}).headers["Location"]
    again = bob.submit(f"{first}/rerun").headers["Location"]
    assert again != first
    assert first in text(bob.get(again))
    form = text(bob.get(f"{first}/changes"))
    assert "&#34;name&#34;: &#34;Ada&#34;" in form
    other = bob.submit(f"{first}/changes", {"context": '{"name": "Grace"}', "temperature": "0.5"}).headers["Location"]
    assert "Greet Grace." in text(bob.get(other))
    wrong = bob.submit(f"{first}/changes", {"context": "{nonsense"})
    assert wrong.status_code == 422
    assert "a name in double quotes was expected (line 1, column 2)" in text(wrong)
    assert re.search(r'<textarea[^>]*name="context"[^>]*autofocus', text(wrong))
    assert not re.search(r'name="model"[^>]*autofocus', text(wrong))
    assert bob.submit(f"{first}/changes", {"temperature": "9"}).status_code == 422


def test_one_that_waits_is_cancelled_and_an_ended_one_is_not(sign_in, add):
    bob = sign_in("bob")
    waiting = add(status="pending", output=None)
    assert bob.submit(f"/w/acme/executions/{waiting}/cancel").status_code == 303
    assert "Cancelled" in text(bob.get(f"/w/acme/executions/{waiting}"))
    assert bob.submit(f"/w/acme/executions/{add()}/cancel").status_code == 409
    assert sign_in("vera").submit(f"/w/acme/executions/{add(status='pending')}/cancel").status_code == 403


def test_a_thumb_counts_changes_and_is_withdrawn(app, sign_in, add):
    execution_id, vera = add(), sign_in("vera")
    path = f"/w/acme/executions/{execution_id}/feedback"

    def kept():
        with app.app_context():
            return [(row.rating, row.comment) for row in db.session.scalars(sa.select(Feedback)).unique()]

    assert 'aria-pressed="true"' in text(vera.swap(path, {"rating": "up"}))
    vera.swap(path, {"rating": "down", "comment": "<b>too long</b>"})
    assert kept() == [("down", "<b>too long</b>")]
    assert "&lt;b&gt;too long" in text(vera.get(f"/w/acme/executions/{execution_id}/_feedback"))
    assert vera.swap(path, {"rating": "sideways"}).status_code == 422
    assert vera.swap(path, {"rating": "up", "comment": "x" * 2001}).status_code == 422
    assert kept() == [("down", "<b>too long</b>")]
    assert vera.submit(path, {"rating": ""}).status_code == 303
    assert kept() == []
    unfinished = add(status="processing", output=None)
    assert vera.swap(f"/w/acme/executions/{unfinished}/feedback", {"rating": "up"}).status_code == 409


def test_a_comment_that_is_too_long_stays_as_it_was_typed_and_is_not_cut(app, sign_in, add):
    execution_id, vera = add(), sign_in("vera")
    path = f"/w/acme/executions/{execution_id}/feedback"
    vera.swap(path, {"rating": "up", "comment": "short"})
    assert "maxlength" not in text(vera.get(f"/w/acme/executions/{execution_id}/_feedback"))
    long = "pasted" * 400
    for answer in (
        vera.swap(path, {"rating": "up", "comment": long}),
        vera.submit(path, {"rating": "up", "comment": long}),
    ):
        assert answer.status_code == 422
        assert f">\n{long}</textarea>" in text(answer)
        assert "This is too long: 2,400 characters. Use at most 2,000." in text(answer)
    with app.app_context():
        assert [row.comment for row in db.session.scalars(sa.select(Feedback)).unique()] == ["short"]


def test_a_prompt_template_shows_its_executions_and_feedback(sign_in, template, add, app):
    bob = sign_in("bob")
    assert "not been run yet" in text(bob.get(f"/w/acme/executions/_of?template={template}"))
    assert "Nobody has rated" in text(bob.get(f"/w/acme/feedback/_of?template={template}"))
    with app.app_context():
        from aiapp.prompt_templates.models import PromptTemplate

        template_id = db.session.scalar(sa.select(PromptTemplate.id))
    execution_id = add(prompt_template_id=template_id)
    bob.swap(f"/w/acme/executions/{execution_id}/feedback", {"rating": "up", "comment": "Good one"})
    assert execution_id[-6:] in text(bob.get(f"/w/acme/executions/_of?template={template}"))
    assert execution_id[-6:] not in text(bob.get(f"/w/acme/executions/_of?template={template}&but={execution_id}"))
    assert "Good one" in text(bob.get(f"/w/acme/feedback/_of?template={template}"))
    assert bob.get("/w/acme/feedback/_of?template=nope").status_code == 404
    assert bob.get("/w/acme/executions/_of?template=nope").status_code == 404


def test_the_stream_escapes_what_it_writes():
    from aiapp.executions.pages.watch_views import _StreamHtml
    from aiapp.executions.streaming.stream import Event

    encode = _StreamHtml(2)
    assert encode(None).startswith(":")
    written = encode(Event("delta", {"attempt": 2, "text": "<b>\nline"}, "1-1.1.1"))
    assert written == "id: 1-1.1.1\ndata: &lt;b&gt;\ndata: line\n\n"
    forged = encode(Event("delta", {"attempt": 2, "text": "a\revent: done\rdata: done\r\r"}, "1-1.1.1"))
    assert "\r" not in forged
    assert all(line.startswith(("id: ", "data: ")) for line in forged.split("\n") if line)
    assert encode(Event("done", {})) == "event: done\ndata: done\n\n"


def test_a_page_is_told_of_the_attempts_that_it_does_not_show_yet():
    from aiapp.executions.pages.watch_views import _StreamHtml
    from aiapp.executions.streaming.stream import Event

    encode = _StreamHtml(2)
    told = [encode(Event("attempt", {"number": number})) for number in (1, 2, 3)]
    assert told == ["", "", "event: attempt\ndata: attempt\n\n"]
    assert encode(Event("delta", {"attempt": 1, "text": "what the first one wrote"})) == ""
    assert encode(Event("status", {"status": "processing"})) == ""
    ids = (None, "1-1.1.5", "1-2.2.0", "1-3.3.0")  # of the row's own state, and after the first, second, third attempt
    told = [encode(Event("status", {"status": "pending"}, event_id)).partition("event: ")[2] for event_id in ids]
    assert told == ["", "", *["paused\ndata: paused\n\n"] * 2]


@pytest.mark.parametrize("moment", ["0001-01-01", "0001-01-01T00:00:00.5Z", "9999-12-31T23:59:59.5Z", "1969-12-31"])
def test_the_calendar_may_end_where_somebody_looks(api, add, moment):
    add()
    bob = api("bob")
    assert bob("GET", f"/executions?from={moment}").status_code == 200
    assert bob("GET", f"/executions?to={moment}").status_code == 200


def test_a_very_long_output_is_shown_in_part_and_downloaded_whole(sign_in, add):
    bob = sign_in("bob")
    path = f"/w/acme/executions/{add(output='x' * 200_001)}"
    for view in ("rendered", "source"):
        page = text(bob.get(path, query_string={"view": view}))
        assert "These are the first 200,000 of 200,001 characters." in page
        assert "x" * 200_001 not in page
    assert len(bob.get(f"{path}/output").data) == 200_001
    assert "These are the first" not in text(bob.get(f"/w/acme/executions/{add(output='x' * 200_000)}"))


def test_the_list_tells_attempts_versions_labels_and_batches_and_finds_what_was_tried_again(
    app, sign_in, api, add, team
):
    again, once = add(status="pending", round=1, body="Again", output=None), add(body="Once")
    with app.app_context():
        for number in (1, 2):
            shared = {"provider": "demo", "model": f"m-{number}", "status": "failed", "started_at": now()}
            db.session.add(Attempt(workspace_id=team.acme_id, execution_id=again, number=number, **shared))
        db.session.commit()
    bob = sign_in("bob")
    page = text(bob.get("/w/acme/executions?columns=model,attempts,version,label,batch"))
    row = " ".join(page.split(f'id="execution-{again}"')[1].split("</tr>")[0].split())
    assert 'data-label="Model" class="cell-wrap ">m-2</td>' in row
    assert 'data-label="Attempts">2</td>' in row
    for asked in ("attempts=several", "status=retrying"):
        found = text(bob.get(f"/w/acme/executions?{asked}"))
        assert (f'id="execution-{again}"' in found, f'id="execution-{once}"' in found) == (True, False)
        assert [one["id"] for one in api("bob", "read")("GET", f"/executions?{asked}").json["data"]] == [again]


def test_a_filter_that_cannot_be_read_is_in_no_link_and_makes_no_file(sign_in, add):
    add()
    bob = sign_in("bob")
    page = text(bob.get("/w/acme/executions?cost_from=abc&status=completed"))
    assert "Some filters were left out" in page
    assert "Cost from: $abc" not in page
    assert 'href="/w/acme/executions/export.csv?status=completed"' in page
    assert bob.get("/w/acme/executions/export.csv?cost_from=abc").status_code == 422


def test_a_failure_says_how_often_its_version_ended_like_that(app, sign_in, add, template):
    with app.app_context():
        version = db.session.scalar(sa.select(PromptVersion).where(PromptVersion.number == 1))
        of_it = {"prompt_template_id": version.prompt_template_id, "prompt_version_id": version.id}
    _, failed = (add(status="failed", error_class="timeout", **of_it) for _ in range(2))
    add(**of_it)
    add(status="failed", error_class="timeout")
    page = " ".join(text(sign_in("bob").get(f"/w/acme/executions/{failed}")).split())
    assert "2 of 3 executions of v1 ended with this error in the last 24 hours." in page
    assert "error_class=timeout" in page
