"""The library with 5,000 prompt templates: searches by the full-text index beside LIKE in the same run, and every order's page.

A SQLite file of its own; with AIAPP_BENCH_DATABASE_URL an empty PostgreSQL database. Prints milliseconds and their ratio.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from aiapp import config, create_app
from aiapp.accounts.models import User
from aiapp.columns import new_id, now
from aiapp.executions.models import Execution
from aiapp.extensions import Base, db
from aiapp.prompt_templates import search
from aiapp.prompt_templates.filters import SORTS, Filter
from aiapp.prompt_templates.listing import count_templates, list_templates
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Workspace

TEMPLATES = 5_000
EXECUTIONS = 20_000
WORDS = 300  # in a template's text
ROUNDS = 7
SYLLABLES = [a + b for a in "bcdfghklmnprstvz" for b in "aeiou"]


def fill() -> Access:
    """Write the templates, each with a published version, and their executions."""
    chance = random.Random(5)
    vocabulary = ["".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))) for _ in range(8_000)]
    workspace = Workspace(slug="bench", name="Bench")
    user = User(email="bench@example.com", name="Bench", password_hash=new_id())
    db.session.add_all([workspace, user])
    db.session.flush()
    templates, versions, executions = [], [], []
    for number in range(TEMPLATES):
        template = new_id()
        rare = " kumquat" if number % 500 == 0 else ""
        shared = {"workspace_id": workspace.id}
        templates.append(
            {"id": template, "slug": f"t{number}", "name": " ".join(chance.choices(vocabulary, k=3)), "last_number": 1}
            | shared
        )
        body = " ".join(chance.choices(vocabulary, k=WORDS)) + rare
        versions.append(
            {"prompt_template_id": template, "number": 1, "body": body, "status": "published", "published_at": now()}
            | shared
        )
    for _ in range(EXECUTIONS):
        of = templates[chance.randrange(TEMPLATES)]["id"]
        executions.append({**shared, "id": new_id(), "source": "page", "prompt_template_id": of, "status": "completed"})
    started = time.perf_counter()
    db.session.execute(sa.insert(PromptTemplate), templates)
    db.session.execute(sa.insert(PromptVersion), versions)
    sys.stdout.write(f"write {TEMPLATES:,} templates with their index: {time.perf_counter() - started:.1f} s\n")
    db.session.execute(sa.insert(Execution), executions)
    db.session.commit()
    if db.engine.dialect.name == "postgresql":
        db.session.execute(sa.text("ANALYZE"))
        db.session.commit()
    return Access(workspace, user, "owner")


def timed(call: Callable[[], object]) -> float:
    """Return the median milliseconds of a few runs."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        db.session.rollback()
        times.append((time.perf_counter() - start) * 1000)
    return median(times)


def like(access: Access, q: str) -> int:
    """Look for `q` in every text, as without an index."""
    hits = search.contained(access.workspace.id, search.phrases(q))
    return len(db.session.execute(sa.select(hits)).all())


def indexed(access: Access, q: str) -> int:
    """Look for `q` in the index."""
    hits = search.indexed(access.workspace.id, search.phrases(q))
    return 0 if hits is None else len(db.session.execute(sa.select(hits)).all())


def measure(access: Access) -> None:
    """Print what a search and a page of each order take."""
    for q in ("kumquat", "kumq", "baba", "ba", "kumquat ba", "{{nobody"):
        with_index, without = timed(partial(indexed, access, q)), timed(partial(like, access, q))
        found = indexed(access, q)
        sys.stdout.write(
            f"find {q!r:<14} index {with_index:7.1f} ms   LIKE {without:7.1f} ms   x{without / with_index:6.1f}   {found} found\n"
        )
    for sort in SORTS:
        wanted = Filter(sort=sort, q="ba" if sort == "relevance" else "")
        first = timed(partial(list_templates, access, wanted))
        cursor = list_templates(access, wanted).next_cursor
        second = timed(partial(list_templates, access, wanted, cursor=cursor))
        count = timed(partial(count_templates, access, wanted))
        sys.stdout.write(
            f"by {sort:<10} first page {first:6.1f} ms   second {second:6.1f} ms   count {count:6.1f} ms\n"
        )


def main() -> None:
    """Run on a database that is made for it."""
    with tempfile.TemporaryDirectory() as home:
        url = os.environ.get("AIAPP_BENCH_DATABASE_URL", f"sqlite:///{Path(home) / 'bench.db'}")
        app = create_app(config.load({"AIAPP_HOME": home, "DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1/0"}))
        with app.app_context():
            Base.metadata.create_all(db.engine)
            measure(fill())
            db.session.remove()
            db.engine.dispose()


if __name__ == "__main__":
    main()
