"""People who keep an installation busy through its API, and what they demand at the end: nothing lost, nothing twice."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from faults import FAULTS, MODEL, SCRIPTED, FaultyProvider, answer_to
from flask import Flask

from aiapp import config, create_app, queue
from aiapp.accounts.actions import create_user
from aiapp.accounts.tokens import make
from aiapp.credentials import actions as credentials
from aiapp.executions.deliveries import RUN
from aiapp.executions.models import FINISHED, Attempt, Execution
from aiapp.extensions import db, reading
from aiapp.workspaces import actions as workspaces
from aiapp.workspaces.access import Access

CLIENTS = 4
SUMMED = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "cost")


class Office:
    """Workspaces with credentials for a provider, and the executions that were accepted of them.

    Arguments:
        environ: the settings of the installation, of which the database and the home are needed.
    """

    def __init__(self, environ: Mapping[str, str], provider: FaultyProvider, slugs: Sequence[str]) -> None:
        self.provider = provider
        self.app: Flask = create_app(
            config.load({**environ, "AIAPP_LOG_LEVEL": "error", "AIAPP_OUTBOUND_ALLOW": provider.origin})
        )
        self.tokens: dict[str, str] = {}
        self.accepted: dict[str, str] = {}  # ids, and what was asked
        self.numbers = itertools.count(1)
        self.refused: Counter[str] = Counter()
        self.slowest = 0.0  # seconds that an answer took
        with self.app.app_context():
            owner = create_user("alice@example.com", "Alice", "correct horse battery")
            self.access = {slug: Access(workspaces.create(slug, owner, slug), owner, "owner") for slug in slugs}
            for slug, access in self.access.items():
                _, self.tokens[slug] = make(
                    workspace_id=access.workspace.id, user_id=owner.id, name="office", scope="admin"
                )
            db.session.commit()
            db.session.remove()

    def credential(self, slug: str, key: str, **more: Any) -> str:
        """Add a credential, last in the order; returns its id."""
        given = {"provider": "openai", "name": key, "api_key": key, "base_url": self.provider.url}
        with self.app.app_context():
            made = credentials.create(self.access[slug], {**given, "preferred_model": MODEL, **more}).id
            db.session.remove()
        return made

    def submit(self, port: int, slug: str, seconds: float = 120, **more: Any) -> str:
        """Ask the API until it accepts, with one Idempotency-Key, as a client does that wants it once; returns the id."""
        prompt = f"{slug}:{next(self.numbers)}"
        body = json.dumps({"template": prompt, **more})
        headers = {
            "Authorization": f"Bearer {self.tokens[slug]}",
            "Content-Type": "application/json",
            "Idempotency-Key": prompt,
        }
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            asked = time.monotonic()
            status, answer = post(port, "/api/v1/executions", body, headers)
            self.slowest = max(self.slowest, time.monotonic() - asked)
            if status == 202:
                self.accepted[answer["id"]] = prompt
                return str(answer["id"])
            assert status in (0, 503), (status, answer)
            self.refused[str(status or "no answer")] += 1
            time.sleep(0.2)
        raise AssertionError(f"{prompt} was not accepted in {seconds} s")

    def last(self, most: int) -> list[tuple[str, str]]:
        """What was accepted last: executions' ids, and their workspaces'."""
        rows = list(self.accepted.items())[-most:]
        return [(each, self.access[prompt.partition(":")[0]].workspace.id) for each, prompt in rows]

    def token_of(self, workspace_id: str) -> str:
        """The token for a workspace."""
        return next(self.tokens[slug] for slug, access in self.access.items() if access.workspace.id == workspace_id)

    def deliver_again(self, most: int = 20) -> None:
        """Deliver what was accepted last once more, whatever became of it."""
        with self.app.app_context(), contextlib.suppress(Exception):  # a Redis that is away just now is another blow
            queue.enqueue_many(RUN, self.last(most))

    @contextmanager
    def looking(self) -> Iterator[sa.Connection]:
        """A connection that keeps no worker from writing."""
        with self.app.app_context(), reading(), db.engine.connect() as connection:
            yield connection

    def statuses(self) -> Counter[str]:
        """How many executions there are of each status."""
        with self.looking() as connection:
            return Counter(connection.execute(sa.select(Execution.status)).scalars())

    def end_of(self, execution_id: str) -> tuple[str, str | None]:
        """Where an execution stands: its status and error class."""
        with self.looking() as connection:
            columns = sa.select(Execution.status, Execution.error_class).where(Execution.id == execution_id)
            return tuple(connection.execute(columns).one())  # type: ignore[return-value]

    def ended(self) -> bool:
        """Whether nothing is left to do; False also where the database cannot say."""
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            return not set(self.statuses()) - FINISHED
        return False

    def close(self) -> None:
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()
        self.app.extensions["aiapp.redis"].close()


def post(port: int, path: str, body: str, headers: Mapping[str, str]) -> tuple[int, Any]:
    """The status and the JSON of the answer; 0 where there was none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return 0, None
    finally:
        connection.close()


class Crowd:
    """Clients in threads that submit `count` executions of these workspaces, `rate` a second together."""

    def __init__(self, office: Office, port: int, count: int, rate: float, slugs: Sequence[str]) -> None:
        self.failures: list[BaseException] = []
        numbers = iter(range(count))
        lock = threading.Lock()
        start = time.monotonic()

        def work() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                time.sleep(max(0.0, start + number / rate - time.monotonic()))
                try:
                    office.submit(port, slugs[number % len(slugs)], stream=number % 3 > 0)
                except BaseException as error:
                    self.failures.append(error)
                    return

        self.threads = [threading.Thread(target=work, daemon=True) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def busy(self) -> bool:
        """Whether somebody still submits."""
        return any(thread.is_alive() for thread in self.threads)

    def join(self) -> None:
        """Wait for all of them. Raises what went wrong."""
        for thread in self.threads:
            thread.join()
        for failure in self.failures:
            raise failure


def audit(office: Office) -> dict[str, Any]:
    """Hold what the database and the provider say against the promises; return figures. Raises AssertionError."""
    with office.looking() as connection:
        rows = connection.execute(sa.select(Execution.__table__)).all()
        attempts = defaultdict(list)
        for attempt in connection.execute(sa.select(Attempt.__table__).order_by(Attempt.number)):
            attempts[attempt.execution_id].append(attempt)
    calls = office.provider.by_prompt()
    found = {row.id: row.template for row in rows}
    lost = set(office.accepted) - set(found)
    assert not lost, f"accepted and lost: {lost}"
    assert len(found) == len(set(found.values())), "one key made two executions"
    assert set(found) == set(office.accepted), "there are executions that nobody was told of"
    read_as: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        tried = attempts[row.id]
        about = (row.id, row.status, row.error_class, [(one.number, one.status, one.error_class) for one in tried])
        assert row.status in FINISHED, about
        assert row.lease_owner is None, about
        assert [one.number for one in tried] == list(range(1, len(tried) + 1)), about
        assert {one.status for one in tried} <= {"completed", "failed"}, about
        completed = [one for one in tried if one.status == "completed"]
        assert len(completed) == (row.status == "completed"), about
        if completed:
            assert completed[0] is tried[-1], about
            assert (row.output, row.partial) == (answer_to(row.template), False), (about, row.output)
        for name in SUMMED:
            known = [getattr(one, name) for one in tried if getattr(one, name) is not None]
            unknown = not known or (completed and getattr(completed[0], name) is None)
            assert getattr(row, name) == (None if unknown else sum(known)), (about, name)
        asked = calls[row.template]
        # written down before it is made: of an attempt whose worker was killed in between, the provider knows nothing
        assert len(asked) <= len(tried), (about, [call.fault for call in asked])
        assert {call.key.partition("/")[0] for call in asked} <= {row.template.partition(":")[0]}, about
        if len(asked) == len(tried) and "worker_lost" not in {one.error_class for one in tried}:
            for call, one in zip(asked, tried, strict=True):
                read_as[call.fault][one.error_class or "completed"] += 1
    read_as.pop(SCRIPTED, None)
    for fault, classes in read_as.items():
        expected = (FAULTS[fault][1] if fault else None) or "completed"
        assert set(classes) <= {expected, "cancelled"}, (fault, classes)
    return figures(rows, attempts, read_as)


def figures(rows: Sequence[Any], attempts: Mapping[str, Sequence[Any]], read_as: Mapping[str, Any]) -> dict[str, Any]:
    """What there is to say of the executions in numbers."""
    seconds = sorted((row.completed_at - row.created_at).total_seconds() for row in rows)
    every = [one for tried in attempts.values() for one in tried]
    return {
        "executions": len(rows),
        "outcomes": dict(Counter(row.error_class or row.status for row in rows).most_common()),
        "attempts": len(every),
        "most attempts": max((len(tried) for tried in attempts.values()), default=0),
        "rounds": dict(sorted(Counter(row.round for row in rows).items())),
        "attempts by class": dict(Counter(one.error_class or one.status for one in every).most_common()),
        "faults met": sorted(fault for fault in read_as if fault),
        "seconds median": round(seconds[len(seconds) // 2], 1),
        "seconds p95": round(seconds[int(len(seconds) * 0.95)], 1),
        "seconds slowest": round(seconds[-1], 1),
    }


def database_of(home: Path, url: str | None) -> str:
    """The database of an installation in `home`."""
    return url or f"sqlite:///{home / 'aiapp.db'}"
