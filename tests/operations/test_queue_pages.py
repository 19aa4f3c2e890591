"""The queue pages: what waits, runs, is tried again and failed; pausing, draining, and what people are told of it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from redis import Redis

from aiapp import queue
from aiapp.accounts.models import User
from aiapp.audit import AuditEvent
from aiapp.columns import now
from aiapp.executions import actions as executions
from aiapp.executions import pauses
from aiapp.executions.models import Attempt, Execution
from aiapp.executions.running import states
from aiapp.executions.submission import Submission
from aiapp.executions.sweeper import sweep
from aiapp.extensions import db
from aiapp.operations import figures


class Rows:
    """What the tests need of rows, each in an app context of its own: browsers must not share one."""

    def __init__(self, app, team):
        self.app, self.team = app, team
        self.acme_id, self.rival_id = team.acme_id, team.rival_id
        self.redis = app.extensions["aiapp.redis"]

    def submit(self, by="bob", **more):
        with self.app.app_context():
            return executions.submit(self.team.access(by), Submission(template="Hi", **more)).id

    def hold(self, execution_id, owner="w", **values):
        """Have a worker hold it, the lease of which has just run out unless another end is given."""
        given = {"status": "processing", "started_at": now(), "lease_owner": owner, "lease_until": now(), **values}
        self.change(execution_id, **given)

    def change(self, execution_id, **values):
        self.write(sa.update(Execution).where(Execution.id == execution_id).values(**values))

    def write(self, statement):
        with self.app.app_context():
            db.session.execute(statement)
            db.session.commit()

    def beat(self, name, *, ago=60, **more):
        """Have a worker say of itself what workers say, so many seconds ago."""
        heard = (now() - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        facts = {"hostname": "box", "pid": 7, "queues": "high,default,low", "slots": 4, "lease_owner": f"box:7:{name}"}
        times = {"birth": "2026-01-01T00:00:00.000000Z", "last_heartbeat": heard}
        self.redis.hset(f"rq:worker:{name}", mapping={**facts, **times, "running": 0, **more})
        self.redis.sadd("rq:workers", f"rq:worker:{name}")

    def claims(self, execution_id):
        """Whether a worker gets the execution."""
        with self.app.app_context(), states.transaction():
            return states.claim(execution_id, "a worker") is not None

    def closed_to(self, worker):
        with self.app.app_context():
            return pauses.closed_to(worker)

    def sweep(self):
        with self.app.app_context():
            return sweep()

    def on_queue(self):
        with self.app.app_context():
            return queue.waiting()

    def figures(self, workspace_id=None):
        with self.app.app_context():
            return figures.read(workspace_id)

    def pauses(self):
        with self.app.app_context():
            return [pause.what for pause in pauses.standing()]

    def events(self):
        query = sa.select(AuditEvent.action, AuditEvent.actor, AuditEvent.workspace_id).order_by(AuditEvent.id)
        with self.app.app_context():
            rows = [tuple(row) for row in db.session.execute(query)]
        return [row for row in rows if row[0].startswith(("queue.", "worker."))]


@pytest.fixture
def rows(app, team):
    return Rows(app, team)


@pytest.fixture
def root(rows, sign_in):
    """A browser of a system administrator who belongs to the workspace rival."""
    rows.write(sa.update(User).where(User.email == "charlie@example.com").values(is_admin=True))
    return sign_in("charlie")


@pytest.fixture
def adam(sign_in):
    return sign_in("adam")


def test_the_figures_are_of_one_workspace_or_of_all(rows):
    _, running, later, failed, old = (rows.submit(priority="high") for _ in range(5))
    rows.submit(by="charlie")
    rows.hold(running)
    rows.change(later, next_attempt_at=now() + timedelta(seconds=60), round=1)
    given = {"workspace_id": rows.acme_id, "provider": "demo", "model": "m", "status": "failed", "started_at": now()}
    for number, error_class in ((1, "timeout"), (2, "rate_limit")):
        rows.write(sa.insert(Attempt).values(execution_id=later, number=number, error_class=error_class, **given))
    rows.change(failed, status="failed", error_class="quota", completed_at=now())
    rows.change(old, status="failed", error_class="auth", completed_at=now() - timedelta(hours=25))
    own, everything = rows.figures(rows.acme_id), rows.figures()
    assert [(line.name, line.waiting, line.running) for line in own.queues] == [
        ("high", 1, 1),
        ("default", 0, 0),
        ("low", 0, 0),
    ]
    assert [line.waiting for line in everything.queues] == [1, 1, 0]
    assert {line.name: line.waiting for line in everything.workspaces} == {rows.acme_id: 1, rows.rival_id: 1}
    assert own.queues[0].oldest
    assert [(row.id, row.error_class) for row in own.retries] == [(later, "rate_limit")]
    assert own.failed == everything.failed == [("quota", 1)]
    assert [row.id for row in own.elsewhere] == [running]


def test_a_page_needs_few_queries_however_much_there_is(rows):
    seen = []
    for _ in range(3):
        rows.submit()
    with rows.app.app_context():
        listening = (db.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
        sa.event.listen(*listening)
        figures.read()
        sa.event.remove(*listening)
    assert 5 <= len(seen) <= 10
    assert all("LIMIT" in each for each in seen if "FROM execution" in each)


def test_the_admins_of_a_workspace_see_its_part_and_nobody_elses(rows, adam, sign_in):
    own, foreign = rows.submit(), rows.submit(by="charlie")
    for execution_id in (own, foreign):
        rows.hold(execution_id)
    page = adam.get("/w/acme/queue").get_data(as_text=True)
    assert f"/w/acme/executions/{own}" in page
    assert foreign[-6:] not in page
    assert "No worker is alive" in page
    assert "has run out" in page
    for person in ("bob", "vera"):
        assert sign_in(person).get("/w/acme/queue").status_code == 403
        assert sign_in(person).submit("/w/acme/queue/pause").status_code == 403


def test_system_administrators_see_all_and_links_where_they_belong(rows, root, adam):
    own, foreign = rows.submit(by="charlie"), rows.submit()
    for execution_id in (own, foreign):
        rows.hold(execution_id)
    page = root.get("/admin/queue").get_data(as_text=True)
    assert f"/w/rival/executions/{own}" in page
    assert foreign[-6:] in page
    assert foreign not in page
    assert "Acme" in page
    assert adam.get("/admin/queue").status_code == 403
    assert adam.submit("/admin/queue/pause", {"what": "high"}).status_code == 403
    assert rows.events() == []


def test_nothing_of_a_paused_queue_starts_and_running_work_ends(rows, root):
    running, waiting, other = rows.submit(priority="low"), rows.submit(priority="low"), rows.submit()
    assert rows.claims(running)
    answer = root.submit("/admin/queue/pause", {"what": "low", "reason": "Moving house"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/queue")
    assert not rows.claims(waiting)
    assert rows.closed_to("w") == {"low"}
    assert rows.claims(other)
    with rows.app.app_context(), states.transaction():
        assert states.standing(running, "a worker") == "wanted"
    page = root.get("/admin/queue").get_data(as_text=True)
    assert "Moving house" in page
    root.submit("/admin/queue/resume", {"what": "low"})
    assert rows.claims(waiting)
    assert rows.events() == [("queue.pause", "Charlie", None), ("queue.resume", "Charlie", None)]


def test_all_queues_are_paused_at_once(rows, root):
    waiting = rows.submit()
    root.submit("/admin/queue/pause", {"what": "all"})
    root.submit("/admin/queue/pause", {"what": "all", "reason": "again"})
    assert not rows.claims(waiting)
    assert rows.closed_to("w") == set(queue.PRIORITIES)
    assert len(rows.events()) == 1
    assert "The whole queue is paused" in root.get("/admin/queue/_now").get_data(as_text=True)


def test_an_abandoned_execution_of_a_paused_queue_waits_too(rows, root):
    lost = rows.submit()
    rows.change(lost, status="processing", lease_owner="gone", lease_until=now() - timedelta(seconds=1))
    root.submit("/admin/queue/pause", {"what": "default"})
    rows.redis.flushall()
    assert rows.sweep() == 0
    root.submit("/admin/queue/resume", {"what": "default"})
    assert rows.sweep() == 1
    assert rows.claims(lost)


def test_a_workspaces_own_pause_holds_only_its_executions_and_survives_redis(rows, adam):
    own, foreign = rows.submit(), rows.submit(by="charlie")
    assert adam.submit("/w/acme/queue/pause", {"reason": "Wrong prompt"}).headers["Location"] == "/w/acme/queue"
    rows.redis.flushall()
    assert rows.sweep() == 1
    assert rows.on_queue() == {foreign}
    assert not rows.claims(own)
    assert rows.claims(foreign)
    assert rows.closed_to("w") == frozenset()
    assert "Wrong prompt" in adam.get("/w/acme/queue").get_data(as_text=True)
    adam.submit("/w/acme/queue/resume")
    assert own in rows.on_queue()
    assert rows.claims(own)
    assert rows.events() == [("queue.pause", "Adam", rows.acme_id), ("queue.resume", "Adam", rows.acme_id)]


def test_who_waits_is_told_who_paused_it_and_why(rows, adam, root, sign_in):
    waiting = rows.submit()
    bob = sign_in("bob")
    adam.submit("/w/acme/queue/pause", {"reason": "Wrong prompt"})
    page = bob.get(f"/w/acme/executions/{waiting}").get_data(as_text=True)
    assert "The workspace&#39;s executions are paused by Adam" in page
    assert "Wrong prompt" in page
    root.submit("/admin/queue/pause", {"what": "default"})
    for path in ("", "/_panel"):
        page = bob.get(f"/w/acme/executions/{waiting}{path}").get_data(as_text=True)
        assert "The queue default is paused by Charlie" in page
    listed = bob.get("/w/acme/executions").get_data(as_text=True)
    assert "The queue default is paused by Charlie. What waits starts once it is resumed." in listed
    adam.submit("/w/acme/queue/resume")
    assert "paused by" not in bob.get(f"/w/acme/executions/{rows.submit(priority='high')}").get_data(as_text=True)


@pytest.mark.parametrize("what", ["", "urgent", "workspace:x", "worker:nobody"])
def test_what_is_no_queue_and_no_worker_cannot_be_paused(rows, root, what):
    assert root.submit("/admin/queue/pause", {"what": what}).status_code == 404
    assert root.get("/admin/queue/pause", query_string={"what": what}).status_code == 404
    assert rows.pauses() == []


def test_a_system_administrator_does_not_resume_for_a_workspace(rows, root, adam):
    adam.submit("/w/acme/queue/pause")
    assert root.submit("/admin/queue/resume", {"what": pauses.of_workspace(rows.acme_id)}).status_code == 404
    assert rows.pauses() == [pauses.of_workspace(rows.acme_id)]


def test_a_reason_is_one_short_line(rows, root, adam):
    for browser, path in ((root, "/admin/queue/pause"), (adam, "/w/acme/queue/pause")):
        for reason, objection in (("x" * 201, "at most 200 characters"), ("a\u202eb", "cannot be shown on one line")):
            answer = browser.submit(path, {"what": "high", "reason": reason})
            assert answer.status_code == 422
            assert objection in answer.get_data(as_text=True)
    assert rows.events() == []


def test_a_worker_that_is_alive_can_be_drained_and_is_forgotten_when_it_is_gone(rows, root):
    rows.beat("abc", running=1)
    held = rows.submit()
    rows.hold(held, "box:7:abc", lease_until=now() + timedelta(seconds=60))
    root.submit("/admin/queue/pause", {"what": "worker:abc", "reason": "New disk"})
    said = root.get("/admin/queue").get_data(as_text=True)
    assert "The worker box:7 is draining: it ends what it holds and takes nothing more." in said
    assert rows.closed_to("abc") == set(queue.PRIORITIES)
    assert rows.closed_to("another") == frozenset()
    page = root.get("/admin/queue").get_data(as_text=True)
    assert "Held by box:7" in page
    assert "Draining" in page
    assert "1 of 4" in page
    assert rows.events() == [("worker.drain", "Charlie", None)]
    rows.redis.delete("rq:worker:abc")
    root.submit("/admin/queue/resume", {"what": "high"})
    assert rows.pauses() == []


def test_a_worker_is_drained_once_neither_its_rows_nor_a_later_heartbeat_tell_of_work(rows, root):
    rows.beat("abc")
    held = rows.submit()
    root.submit("/admin/queue/pause", {"what": "worker:abc"})

    def state():
        (worker,) = rows.figures().workers
        return worker.emptied, worker.running

    assert state() == (False, 0), "what it said before it was drained is not known to hold still"
    rows.beat("abc", ago=-5)
    assert state() == (True, 0)
    assert "Drained" in root.get("/admin/queue").get_data(as_text=True)
    rows.hold(held, "box:7:abc")
    assert state() == (False, 1)
    assert "Draining" in root.get("/admin/queue").get_data(as_text=True)


def test_where_all_workers_are_drained_whoever_waits_is_told_and_one_that_takes_work_ends_it(rows, root, adam, sign_in):
    rows.beat("abc")
    rows.beat("other", queues="low")
    waiting, low = rows.submit(), rows.submit(priority="low")
    bob = sign_in("bob")

    def told(browser, path):
        return "New disk" in browser.get(path).get_data(as_text=True)

    root.submit("/admin/queue/pause", {"what": "worker:abc", "reason": "New disk"})
    page = bob.get(f"/w/acme/executions/{waiting}").get_data(as_text=True)
    assert "Every worker of the queue is drained by Charlie" in page
    assert "New disk. It starts once a worker takes work again." in page
    assert not told(bob, f"/w/acme/executions/{low}")
    assert not told(adam, "/w/acme/queue")
    assert "No worker takes anything" not in root.get("/admin/queue").get_data(as_text=True)
    root.submit("/admin/queue/pause", {"what": "worker:other"})
    assert told(bob, f"/w/acme/executions/{waiting}")
    for browser, path in ((adam, "/w/acme/queue"), (root, "/admin/queue")):
        assert "No worker takes anything: all are drained" in browser.get(path).get_data(as_text=True)
    assert "2 workers alive, none takes anything" in adam.get("/w/acme/queue").get_data(as_text=True)
    rows.beat("third")
    assert not told(bob, f"/w/acme/executions/{waiting}")
    assert not told(adam, "/w/acme/queue")


def test_without_redis_the_pages_say_so_and_show_what_the_rows_know(rows, root, adam, app, monkeypatch):
    rows.submit()
    away = Redis.from_url("unix:///nowhere/redis.sock", socket_connect_timeout=1)
    monkeypatch.setitem(app.extensions, "aiapp.redis", away)
    assert rows.figures(rows.acme_id).waiting == 1
    for browser, path in ((adam, "/w/acme/queue"), (root, "/admin/queue")):
        page = browser.get(path).get_data(as_text=True)
        assert "Redis cannot be reached" in page
        assert "No worker is alive" not in page
    adam.submit("/w/acme/queue/pause")
    adam.submit("/w/acme/queue/resume")
    assert [event for event, *_ in rows.events()] == ["queue.pause", "queue.resume"]


def test_the_api_shows_pauses_and_resumes_the_workspaces_part(rows, api):
    waiting = rows.submit()
    adam = api("adam")
    shown = adam("POST", "/queue/pause", {"reason": "Wrong prompt"}).get_json()
    assert [(pause["what"], pause["by"], pause["reason"]) for pause in shown["pauses"]] == [
        ("workspace", "token: adam's", "Wrong prompt")
    ]
    assert not rows.claims(waiting)
    shown = adam("POST", "/queue/resume").get_json()
    assert shown["pauses"] == []
    assert rows.claims(waiting)
    shown = adam("GET", "/queue").get_json()
    assert shown["queues"][1] == {"queue": "default", "waiting": 0, "running": 1, "oldest_waiting_at": None}
    assert (shown["workers"], shown["retries"], shown["failed"]) == (0, 0, [])
    assert api("bob")("GET", "/queue").status_code == 403
    assert api("adam", scope="write")("POST", "/queue/pause").status_code == 403


def test_the_parts_tell_how_they_are(rows, root):
    def told():
        page = root.get("/admin/queue/_now").get_data(as_text=True)
        region = page[page.index('id="parts"') : page.index('id="queues"')]
        return " ".join(re.sub("<[^>]*>", " ", region).split())

    rows.redis.delete(queue.LEAD_KEY)
    assert "Workers None None is alive" in told()
    assert "Scheduler None leads" in told()
    rows.redis.set(queue.LEAD_KEY, "box:7:token")
    rows.beat("one", ago=1, queues="high,default")
    text = told()
    assert re.search(r"Database Works (SQLite|PostgreSQL) [0-9.]+", text)
    assert re.search(r"Redis Works Redis [0-9.]+, [0-9]+ [KM]B .* ms", text)
    assert "1 alive; none serves low" in text
    assert "Scheduler Works box:7 leads" in text
    assert "token" not in text
    assert re.search("Disk .* free of ", text)


def test_a_queue_whose_workers_are_drained_or_missing_is_not_open(rows, root):
    rows.beat("one", ago=1, queues="high")
    rows.beat("two", ago=1, queues="high,default")
    root.submit("/admin/queue/pause", {"what": "worker:two"})
    lines = {line.name: (line.served, line.drain and line.drain.what) for line in rows.figures().queues}
    assert lines == {"high": (True, None), "default": (True, "worker:two"), "low": (False, None)}
    page = root.get("/admin/queue/_now").get_data(as_text=True)
    words = re.findall(
        r'status-mark"></span>([^<]+)', page[page.index('id="queues"') : page.index('id="by-workspace"')]
    )
    assert words == ["Open", "Drained", "No worker"]
