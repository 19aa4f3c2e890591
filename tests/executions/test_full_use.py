"""A canary in everything that people put into executions, or get out of them, by pages and by the API: where is it kept?"""

from __future__ import annotations

import io
import secrets
from datetime import timedelta

import sqlalchemy as sa
from scripted_provider import breaks_off, refuses, says
from test_sealed_texts import canary, lines, rule, stored_in_database, stored_in_redis
from test_stream import read, text_of

from aiapp import sealing
from aiapp.batches.jobs import feed
from aiapp.batches.models import Batch
from aiapp.columns import now
from aiapp.executions import jobs
from aiapp.executions.models import Execution
from aiapp.executions.streaming import publishing
from aiapp.extensions import db
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library
from aiapp.retention import erasing
from aiapp.retention.rows import has_text
from aiapp.webhooks import actions as webhooks
from aiapp.webhooks.models import EVENTS

__all__ = ["canary", "lines", "rule"]

TEMPLATE = {"name": "Sort", "body": "Sort {{word}} after {{last.output}}", "output_format": "json"}


class Use:
    """bob, who does everything that a member can do with executions, and what is answered to him."""

    def __init__(self, engine, api, sign_in, provider, canary):
        self.engine, self.provider, self.canary = engine, provider, canary
        self.api, self.browser = api("bob"), sign_in("bob")
        self.told = ""

    def call(self, method, path, body=None, **more):
        db.session.remove()
        answer = self.api(method, path, body, headers={"Idempotency-Key": secrets.token_hex(8)}, **more)
        assert answer.status_code < 300, answer.get_data(as_text=True)
        self.told += answer.get_data(as_text=True)
        return answer.get_json()

    def post(self, path, status=303, **form):
        db.session.remove()
        answer = self.browser.submit(f"/w/acme{path}", form)
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer

    def get(self, path):
        db.session.remove()
        answer = self.browser.get(f"/w/acme{path}")
        assert answer.status_code == 200, path
        self.told += answer.get_data(as_text=True)

    def work(self):
        """Do what workers do, until there is nothing to do."""
        for _ in range(20):
            db.session.remove()
            for batch_id in db.session.scalars(sa.select(Batch.id).where(Batch.status == "running")).all():
                db.session.remove()
                feed(batch_id)
            db.session.remove()
            waiting = db.session.scalars(sa.select(Execution.id).where(Execution.status == "pending")).all()
            db.session.remove()
            if not waiting:
                return
            for execution_id in waiting:
                jobs.run(execution_id)
        raise AssertionError("it does not end")

    def ask(self) -> str:
        """Executions of all kinds and in all ways, with answers, refusals and halves that repeat what was asked."""
        canary = self.canary
        half, refusal = breaks_off(f"Half {canary}"), [refuses(400, canary), refuses(401, canary), refuses(500, canary)]
        values = {"context": {"word": canary}}
        first = self.call("POST", "/prompt-templates/sort/executions", values)["id"]
        self.work()
        self.provider.on("good", *refusal, half, says(f'{{"{canary}": 1}}'))
        self.post("/executions", prompt_template="sort", once="a1", **{"var-word": canary})
        self.post("/executions", template=f"{canary} {{{{x}}}}", once="a2", context=f'{{"x": "{canary}"}}')
        self.work()
        self.provider.on("good", says(f"No JSON: {canary}"), says(f'{{"{canary}": 1}}'))
        self.call("POST", "/llm_jobs", {"template": f"{canary} {{{{a}}}}", "context": {"a": canary}, "format": "json"})
        self.call("POST", f"/executions/{first}/regenerate", {"context": {"word": f"{canary} again"}})
        self.call("POST", f"/executions/{first}/rerun")
        self.post(f"/executions/{first}/rerun", once="b1")
        self.post(f"/executions/{first}/changes", once="b2", **{"var-word": canary})
        self.work()
        cancelled = self.call("POST", "/executions", {"template": canary})["id"]
        self.call("POST", f"/executions/{cancelled}/cancel")
        self.call("POST", "/executions/compare", {"template": canary, "variants": [{"model": "a"}, {"model": "b"}]})
        self.post("/executions/compare", template=canary, **{"1-model": "a", "2-model": "b", "once": "c1"})
        self.post(f"/executions/{first}/compare", once="c2", **{"2-model": "b"})
        self.work()
        return first

    def batch(self) -> None:
        table = f"word,{self.canary} note\n{self.canary} one,{self.canary}\n{self.canary} two,\n"
        self.provider.on("good", says(f'{{"{self.canary}": 1}}'), refuses(400, self.canary), says("none"))
        made = self.call("POST", "/batches", {"prompt_template": "sort", "csv": table})["id"]
        self.work()
        self.call("POST", f"/batches/{made}/retry", {"rows": "failed"})
        upload = (io.BytesIO(table.encode()), "words.csv")
        draft = self.post("/batches", prompt_template="sort", file=upload, name="Words").location
        for path in (f"/batches/{made}", f"/batches/{made}/results.csv", f"/batches/{made}/results.jsonl"):
            self.get(path)
        self.get(draft.partition("/w/acme")[2])
        self.work()

    def judge(self, execution_id: str) -> None:
        """A thumb, and where the workspace takes one a comment, which is refused with its words else."""
        takes = self.engine.team.access("bob").workspace.keeps_texts
        path = f"/executions/{execution_id}/feedback"
        self.post(path, 303 if takes else 422, rating="up", comment=self.canary)
        body = {"rating": "down", "reasons": ["Incorrect"], **({"comment": f"Bad {self.canary}"} if takes else {})}
        self.call("PUT", path, body)

    def look(self, execution_id: str) -> None:
        self.post("/executions/views", name="Mine", query=f"q={self.canary}", shared="1")
        asked = f"q={self.canary.replace(' ', '+')}"
        self.call("POST", "/saved-views", {"name": "Own", "query": {"q": self.canary}})
        pages = ["/executions", f"/executions?{asked}", f"/executions/{execution_id}", "/executions/export.csv"]
        pages += [
            "/executions/export.jsonl",
            "/feedback",
            "/feedback/feedback.csv",
            "/executions/contexts?template=sort",
        ]
        pages += [f"/executions/{execution_id}/attempts/1/raw", f"/executions/{execution_id}/output"]
        for path in pages:
            self.get(path)
        self.call("GET", f"/executions/{execution_id}")
        self.call("POST", "/prompt-templates/sort/render", {"context": {"word": self.canary}})
        self.post("/prompt-templates/sort/versions/1/_preview", 200, **{"var-word": self.canary})
        self.told += text_of(read(execution_id))


def use_everything(engine, provider, team, api, sign_in, canary) -> Use:
    alice, bob = team.access("alice"), team.access("bob")
    webhooks.create(alice, {"url": f"{provider.url}/hook", "events": list(EVENTS), "active": True})
    made = prompt_templates.create(bob, TEMPLATE)
    prompt_templates.publish(bob, library.version(bob, made, 1), "")
    engine.credential("good")
    provider.on("good", says(f'{{"{canary}": 1}}'))
    use = Use(engine, api, sign_in, provider, canary)
    first = use.ask()
    use.judge(first)
    use.batch()
    use.look(first)
    assert publishing.flush(10)
    return use


def with_texts() -> set[str]:
    """The tables that have texts, encrypted or not."""
    db.session.remove()
    kinds = sealing.KINDS.values()
    words = {
        kind.model.__tablename__: sa.select(kind.model.id).where(has_text(kind)).limit(1)
        for kind in kinds
        if not kind.counted
    }
    return {name for name, query in words.items() if db.session.scalar(query) is not None}


def test_with_encryption_a_canary_is_in_no_file_no_key_and_no_log_after_a_full_use(
    engine, provider, team, api, sign_in, rule, canary, lines
):
    rule(seals_texts=True)
    use = use_everything(engine, provider, team, api, sign_in, canary)
    assert use.told.count(canary) > 50
    states = dict(db.session.execute(sa.select(Execution.status, sa.func.count()).group_by(Execution.status)).all())
    assert states.keys() == {"completed", "failed", "cancelled"}
    assert canary.encode() not in stored_in_database()
    assert canary.encode() not in stored_in_redis()
    assert canary not in lines.getvalue()


def test_without_texts_a_canary_is_nowhere_an_hour_after_a_full_use(
    engine, provider, team, api, sign_in, rule, canary, lines
):
    rule(keeps_texts=False)
    use = use_everything(engine, provider, team, api, sign_in, canary)
    db.session.remove()
    erasing.sweep(now() + timedelta(hours=1, minutes=1))
    assert with_texts() == {"batch", "batch_row", "saved_view"}, "there is a table that nobody has started"
    erasing.sweep(now() + timedelta(days=1, minutes=1))
    assert with_texts() == {"saved_view"}
    assert use.told.count(canary) > 50
    assert canary.encode() not in stored_in_database()
    assert canary.encode() not in stored_in_redis()
    assert canary not in lines.getvalue()
