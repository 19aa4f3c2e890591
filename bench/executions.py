"""The list of executions with 100,000 of them: every filter alone, and hundreds of combinations, each with its count.

A SQLite file of its own; with AIAPP_BENCH_DATABASE_URL an empty PostgreSQL database. Prints milliseconds.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from statistics import quantiles
from typing import Any

import sqlalchemy as sa

from aiapp import config, create_app
from aiapp.accounts.models import User
from aiapp.columns import new_id, now
from aiapp.executions.lists.filters import Filters
from aiapp.executions.lists.listing import count_executions, list_executions
from aiapp.executions.models import Execution
from aiapp.extensions import Base, db
from aiapp.feedback.models import Feedback
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Workspace

EXECUTIONS = 100_000
CHUNK = 5_000
COMBINATIONS = 400
SPAN = timedelta(days=90)
WORDS = ["river", "invoice", "refund", "meeting", "because", "after", "customer", "number", "please", "answer"]
PROVIDERS = {
    "openai": ("gpt-large", "gpt-mini"),
    "anthropic": ("claude",),
    "google": ("gemini",),
    "mistral": ("small",),
}
STATUSES = ["completed"] * 90 + ["failed"] * 8 + ["cancelled", "pending"]
NUMBERS = {
    "cost_from": (Decimal("0.001"), Decimal("0.09")),
    "cost_to": (Decimal("0.0001"), Decimal("0.05")),
    "duration_from": (Decimal(1), Decimal("39.9")),
    "duration_to": (Decimal("0.05"), Decimal(10)),
}


class Made:
    """A workspace with its executions, and what its filters can be."""

    def __init__(self) -> None:
        self.chance = random.Random(6)
        self.newest = now()
        workspace = Workspace(slug="bench", name="Bench")
        users = [User(email=f"{name}@example.com", name=name, password_hash=new_id()) for name in ("ada", "bo", "cy")]
        db.session.add_all([workspace, *users])
        db.session.flush()
        self.access = Access(workspace, users[0], "owner")
        self.users = [user.id for user in users]
        self.credentials = [new_id() for _ in range(6)]
        self.templates = [
            PromptTemplate(workspace_id=workspace.id, slug=f"t{number}", name=f"T {number}", last_number=5)
            for number in range(30)
        ]
        db.session.add_all(self.templates)
        db.session.flush()
        self.versions = {
            template.id: [
                PromptVersion(workspace_id=workspace.id, prompt_template_id=template.id, number=number)
                for number in range(1, 6)
            ]
            for template in self.templates
        }
        for versions in self.versions.values():
            db.session.add_all(versions)
        db.session.commit()

    def fill(self) -> None:
        """Write the executions, newest last, and the thumbs of every fifth."""
        for first in range(0, EXECUTIONS, CHUNK):
            rows = [self._row(number) for number in range(first, first + CHUNK)]
            db.session.execute(sa.insert(Execution), rows)
            db.session.execute(sa.insert(Feedback), [self._thumb(row) for row in rows if self.chance.random() < 0.2])
            db.session.commit()
        if db.engine.dialect.name == "postgresql":
            db.session.execute(sa.text("ANALYZE"))
            db.session.commit()

    def _row(self, number: int) -> dict[str, Any]:
        chance, made = self.chance, self.newest - SPAN * (EXECUTIONS - number) / EXECUTIONS
        provider = chance.choice(list(PROVIDERS))
        template = chance.choice(self.templates)
        status = chance.choice(STATUSES)
        ended = status in ("completed", "failed")
        return {
            "id": f"{int(made.timestamp() * 1000):012x}{chance.getrandbits(80):020x}",
            "workspace_id": self.access.workspace.id,
            "user_id": chance.choice(self.users),
            "source": chance.choice(["page", "page", "api", "api", "api", "preview"]),
            "prompt_template_id": template.id,
            "prompt_version_id": chance.choice(self.versions[template.id]).id,
            "body": " ".join(chance.choices(WORDS, k=chance.randint(50, 500))),
            "output": " ".join(chance.choices(WORDS, k=chance.randint(50, 700))) if ended else None,
            "status": status,
            "provider": provider,
            "model": chance.choice(PROVIDERS[provider]),
            "credential_id": chance.choice(self.credentials),
            "error_class": chance.choice(["rate_limit", "auth", "server"]) if status == "failed" else None,
            "cost": Decimal(chance.randrange(100_000)) / 10**6 if ended else None,
            "created_at": made,
            "started_at": made + timedelta(milliseconds=20),
            "completed_at": made + timedelta(milliseconds=chance.randint(40, 40_000)) if ended else None,
        }

    def _thumb(self, row: dict[str, Any]) -> dict[str, Any]:
        return {
            "workspace_id": row["workspace_id"],
            "execution_id": row["id"],
            "user_id": self.users[0],
            "rating": self.chance.choice(["up", "up", "down"]),
            "created_at": row["created_at"],
        }

    def offered(self) -> dict[str, tuple[Any, ...]]:
        """A few values of each filter: one that many have, one that few or none have."""
        return {
            "status": ("completed", "cancelled"),
            "template": ("t3", "unknown"),
            "version": ("2", "nowhere"),
            "provider": ("openai", "xai"),
            "model": ("gpt-mini", "claude", "gone"),
            "credential_id": (self.credentials[0], new_id()),
            "user": (self.users[1], new_id()),
            "source": ("runs", "preview", "batch"),
            "feedback": ("up", "down", "any", "none"),
            "error_class": ("auth", "quota"),
            "since": (self.newest - timedelta(days=1), self.newest - timedelta(days=60)),
            "until": (self.newest - timedelta(days=1), self.newest - timedelta(days=89)),
            "q": ("river", "kumquat"),
            **NUMBERS,
        }


def combinations(made: Made) -> Iterator[dict[str, Any]]:
    """Yield every value alone, then random combinations of two to six."""
    offered, chance = made.offered(), random.Random(7)
    for name, values in offered.items():
        for value in values:
            yield {name: value}
    for _ in range(COMBINATIONS):
        names = chance.sample(sorted(offered), chance.randint(2, 6))
        yield {name: chance.choice(offered[name]) for name in names}


def timed(call: Callable[[], object]) -> float:
    """Return the milliseconds of a run; the better of two, because others use this machine too."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        call()
        db.session.remove()
        times.append((time.perf_counter() - start) * 1000)
    return min(times)


def measure(made: Made) -> None:
    """Print the percentiles, and the slowest combinations."""
    pages: list[float] = []
    slowest: list[tuple[float, float, str]] = []
    for given in combinations(made):
        wanted = Filters(**given)
        page = timed(lambda wanted=wanted: list_executions(made.access, wanted, texts=False, openings=True))  # type: ignore[misc]
        # a list that ends on its first page is not counted again
        whole = list_executions(made.access, wanted, texts=False).next_cursor is None
        count = 0.0 if whole else timed(lambda wanted=wanted: count_executions(made.access, wanted))  # type: ignore[misc]
        pages.append(page + count)
        slowest.append((page, count, ", ".join(f"{name}={str(value)[:12]}" for name, value in given.items())))
        if len(given) == 1:
            sys.stdout.write(f"page {page:7.1f} ms   count {count:7.1f} ms   {slowest[-1][2]}\n")
    cuts = quantiles(pages, n=100)
    sys.stdout.write(
        f"{len(pages)} lists with their counts: p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, most {max(pages):.1f} ms\n"
    )
    for page, count, words in sorted(slowest, key=lambda one: -one[0] - one[1])[:12]:
        sys.stdout.write(f"page {page:7.1f} ms   count {count:7.1f} ms   {words}\n")


def main() -> None:
    """Run on a database that is made for it."""
    with tempfile.TemporaryDirectory() as home:
        url = os.environ.get("AIAPP_BENCH_DATABASE_URL", f"sqlite:///{Path(home) / 'bench.db'}")
        app = create_app(config.load({"AIAPP_HOME": home, "DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1/0"}))
        with app.app_context():
            Base.metadata.create_all(db.engine)
            made = Made()
            made.fill()
            measure(made)
            db.session.remove()
            db.engine.dispose()


if __name__ == "__main__":
    main()
