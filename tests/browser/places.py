"""Every page worth a look, and a workspace in which each of its states can be seen."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.sync_api import APIResponse, Browser, BrowserContext, Page, StorageState, expect
from product import Product

NOBODY, DEMO, VIEWER, ROOT = "nobody", "demo", "viewer", "root"


@dataclass(frozen=True)
class Place:
    """A page: `path` may name what Stage made in braces; `shows` is a selector of what arrives last on it, `opens` of what is
    clicked then."""

    name: str
    path: str
    who: str = DEMO
    status: int = 200
    shows: str = "main h1, main h2"
    opens: str = ""


PLACES = (
    Place("login", "/login", NOBODY),
    Place("sign-up", "/sign-up", NOBODY),
    Place("reset-help", "/reset", NOBODY),
    Place("reset-link-used-up", "/reset/nothing", NOBODY, 404),
    Place("invitation", "{invitation}", NOBODY),
    Place("api-docs", "/api/v1/docs", NOBODY, opens='main summary:has-text("/api/v1/tokens") >> nth=0'),
    Place("not-found-signed-out", "/nothing", NOBODY, 404),
    Place("home", "/w/demo/", shows="#credential-health dl"),
    Place("home-set-up", "/w/empty/"),
    Place("workspaces", "/workspaces"),
    Place("new-workspace", "/workspaces/new"),
    Place("profile", "/profile"),
    Place("not-found", "/w/demo/nothing", status=404),
    Place("forbidden", "/w/demo/credentials/new", VIEWER, 403),
    Place("credentials", "/w/demo/credentials"),
    Place("credentials-empty", "/w/empty/credentials"),
    Place("credentials-as-viewer", "/w/demo/credentials", VIEWER),
    Place("selection", "/w/demo/executions/selection"),
    Place("credential-catalogue", "/w/demo/credentials/new"),
    Place("credential-add-openai", "/w/demo/credentials/new/openai"),
    Place("credential-add-ollama", "/w/demo/credentials/new/ollama"),
    Place("credentials-personal", "/w/demo/credentials/personal"),
    Place("credentials-import", "/w/demo/credentials/import"),
    Place("admin-forbidden", "/admin/providers", status=403),
    Place("admin-providers", "/admin/providers", ROOT),
    Place("admin-queue", "/admin/queue", ROOT, shows="main td"),
    Place("admin-queue-pause", "/admin/queue/pause?what=low", ROOT),
    Place("queue", "/w/demo/queue", shows="main td"),
    Place("queue-pause", "/w/demo/queue/pause", shows="main form"),
    Place("credential", "/w/demo/credentials/{bad_key}"),
    Place("credential-delete", "/w/demo/credentials/{good_key}/delete", shows="dialog[open]"),
    Place("prompt-templates", "/w/demo/prompt-templates"),
    Place("prompt-templates-empty", "/w/empty/prompt-templates"),
    Place("prompt-templates-nothing-found", "/w/demo/prompt-templates?q=qqqq"),
    Place("prompt-templates-favourites", "/w/demo/prompt-templates?favourites=first&sort=name"),
    Place("tags", "/w/demo/tags"),
    Place("tags-as-viewer", "/w/demo/tags", VIEWER),
    Place("tags-empty", "/w/empty/tags"),
    Place("tag-rename", "/w/demo/tags/{tag}/rename", shows="dialog[open]"),
    Place("tag-delete", "/w/demo/tags/{tag}/delete", shows="dialog[open]"),
    Place("prompt-template-new", "/w/demo/prompt-templates/new"),
    Place("prompt-templates-import", "/w/demo/prompt-templates/import"),
    Place("prompt-templates-import-as-viewer", "/w/demo/prompt-templates/import", VIEWER, 403),
    Place("gallery", "/w/demo/prompt-templates/gallery"),
    Place("gallery-nothing-found", "/w/demo/prompt-templates/gallery?q=qqqq"),
    Place("gallery-starter", "/w/demo/prompt-templates/gallery/insight-extraction"),
    Place("gallery-starter-as-viewer", "/w/demo/prompt-templates/gallery/prd-risks", VIEWER),
    Place(
        "prompt-template-draft", "/w/demo/prompt-templates/support-reply/versions/2", shows=".highlighted-input mark"
    ),
    Place("prompt-template-published", "/w/demo/prompt-templates/support-reply/versions/1"),
    Place("prompt-template-as-viewer", "/w/demo/prompt-templates/release-notes", VIEWER),
    Place("prompt-template-preview", "/w/demo/prompt-templates/meeting-summary/versions/2"),
    Place("prompt-template-look", "/w/demo/prompt-templates/support-reply/versions/2/preview", shows="dialog[open]"),
    Place("prompt-template-settings", "/w/demo/prompt-templates/support-reply/versions/2/settings"),
    Place("prompt-template-settings-frozen", "/w/demo/prompt-templates/invoice-extraction/versions/1/settings"),
    Place("prompt-template-executions", "/w/demo/prompt-templates/support-reply/executions", shows="main table"),
    Place("prompt-template-feedback", "/w/demo/prompt-templates/support-reply/feedback", shows="main table"),
    Place("prompt-template-api", "/w/demo/prompt-templates/support-reply/api"),
    Place("prompt-template-versions", "/w/demo/prompt-templates/support-reply/versions"),
    Place("prompt-template-publish", "/w/demo/prompt-templates/support-reply/versions/2/publish", shows="dialog[open]"),
    Place("prompt-template-links", "/w/demo/prompt-templates/support-reply/versions/2/links", shows="dialog[open]"),
    Place("prompt-template-labels", "/w/demo/prompt-templates/support-reply/labels"),
    Place("prompt-template-shared", "{shared}", NOBODY),
    Place("prompt-template-shared-no-more", "/preview/nothing", NOBODY, 404),
    Place("approvals", "/w/demo/approvals", shows="main table"),
    Place("approvals-empty", "/w/empty/approvals"),
    Place("approval", "{approval}", shows="main .diff, main h2"),
    Place("publishing", "/w/demo/settings/publishing"),
    Place("data", "/w/demo/settings/data"),
    Place("label-delete", "/w/demo/settings/publishing/labels/{label}/delete", shows="dialog[open]"),
    Place("prompt-template-delete", "/w/demo/prompt-templates/support-reply/delete", shows="dialog[open]"),
    Place("prompt-template-run", "/w/demo/prompt-templates/support-reply/run", shows="#run-form"),
    Place("prompt-template-try", "/w/demo/prompt-templates/support-reply/try", shows="#try-form"),
    Place("prompt-template-compare-choose", "/w/demo/prompt-templates/support-reply/compare"),
    Place("prompt-template-compare", "/w/demo/prompt-templates/support-reply/compare/1...2"),
    Place("prompt-template-compare-unified", "/w/demo/prompt-templates/support-reply/compare/1...2?view=unified"),
    Place("prompt-template-saved", "/w/demo/prompt-templates/support-reply/versions/2/saved"),
    Place("prompt-template-saved-one", "{saved}"),
    Place(
        "prompt-template-branch", "/w/demo/prompt-templates/text-classification/versions/1/branch", shows="dialog[open]"
    ),
    Place(
        "prompt-template-on-branch",
        "/w/demo/prompt-templates/text-classification/versions/2",
        shows=".highlighted-input mark",
    ),
    Place(
        "prompt-template-examples",
        "/w/demo/prompt-templates/text-classification/versions/3",
        shows="#examples textarea",
    ),
    Place("prompt-template-merge", "/w/demo/prompt-templates/text-classification/merge?into=3", shows=".conflict"),
    Place("prompt-template-merge-none", "/w/demo/prompt-templates/release-notes/merge"),
    Place("executions", "/w/demo/executions"),
    Place("executions-empty", "/w/empty/executions"),
    Place("executions-values", "/w/demo/executions/contexts?template=support-reply&version=2", shows=".past-context"),
    Place("executions-nothing-found", "/w/demo/executions?q=qqqq"),
    Place("executions-filtered", "/w/demo/executions?status=completed&source=runs&cost_from=x", shows=".filter-chip"),
    Place("executions-columns", "/w/demo/executions/columns", shows="dialog[open]"),
    Place("executions-save-view", "/w/demo/executions/views/new?status=failed", shows="dialog[open]"),
    Place("execution-new", "/w/demo/executions/new"),
    Place("execution-choose", "/w/demo/executions/choose"),
    Place("execution-changes", "/w/demo/executions/{completed}/changes", shows="dialog[open]"),
    Place("execution-completed", "/w/demo/executions/{completed}", shows="#feedback button"),
    Place("execution-source", "/w/demo/executions/{completed}?view=source", shows="#feedback button"),
    Place("execution-json", "/w/demo/executions/{as_json}", shows="#feedback button"),
    Place("execution-html", "/w/demo/executions/{as_html}", shows="#feedback button"),
    Place("executions-compared", "/w/demo/executions/compare?id={completed}&id={failed}", shows="#feedback-1 button"),
    Place("executions-compare-form", "/w/demo/executions/{completed}/compare", shows="#compare-form"),
    Place("executions-diff", "/w/demo/executions/{as_json}/diff/{completed}"),
    Place("executions-choose-diff", "/w/demo/executions/{completed}/diff"),
    Place("execution-failed", "/w/demo/executions/{failed}", shows=".notice"),
    Place("execution-waiting", "/w/demo/executions/{waiting}", shows=".notice"),
    Place("execution-cancelled", "/w/demo/executions/{cancelled}", shows=".notice"),
    Place("execution-streaming", "/w/demo/executions/{streaming}", shows="#stream:not(:empty)"),
    Place("feedback", "/w/demo/executions/{completed}/feedback"),
    Place("feedback-of-all", "/w/demo/feedback?template=support-reply&group_by=version", shows="main .bar-chart"),
    Place("feedback-of-all-empty", "/w/empty/feedback"),
    Place("feedback-by-member-forbidden", "/w/demo/feedback?group_by=user", VIEWER, 403),
    Place("batches", "/w/demo/batches"),
    Place("batches-empty", "/w/empty/batches"),
    Place("batch-new", "/w/demo/batches/new"),
    Place("batch-draft", "/w/demo/batches/{batch_draft}", shows="#run-model"),
    Place("batch-draft-as-viewer", "/w/demo/batches/{batch_draft}", VIEWER, shows="#run-model"),
    Place("batch-draft-with-problems", "/w/demo/batches/{batch_wrong}", shows="#problems"),
    Place("batch-table", "/w/demo/batches/{batch_wrong}/table"),
    Place("batch-paused", "/w/demo/batches/{batch_paused}", shows="#progress"),
    Place("batch-cancel", "/w/demo/batches/{batch_paused}/cancel", shows="dialog[open]"),
    Place("batch-delete", "/w/demo/batches/{batch_failed}/delete", shows="dialog[open]"),
    Place("batch-retry", "/w/demo/batches/{batch_failed}/retry", shows="dialog[open] #run-provider"),
    Place("batch-failed", "/w/demo/batches/{batch_failed}", shows=".notice"),
    Place("settings", "/w/demo/settings"),
    Place("settings-as-viewer", "/w/demo/settings", VIEWER),
    Place("members", "/w/demo/settings/members"),
    Place("member-remove", "/w/demo/settings/members/{membership}/remove", shows="dialog[open]"),
    Place("invitations", "/w/demo/settings/invitations"),
    Place("tokens", "/w/demo/settings/tokens"),
    Place("webhooks", "/w/demo/settings/webhooks"),
    Place("webhooks-empty", "/w/empty/settings/webhooks"),
    Place("webhook-new", "/w/demo/settings/webhooks/new"),
    Place("webhook", "/w/demo/settings/webhooks/{webhook}", shows="#deliveries td"),
    Place("webhook-edit", "/w/demo/settings/webhooks/{webhook}/edit"),
    Place("webhook-delivery", "/w/demo/settings/webhooks/{webhook}/deliveries/{delivery}", shows="#delivery .notice"),
    Place("webhook-new-secret", "/w/demo/settings/webhooks/{webhook}/rotate", shows="dialog[open]"),
    Place("webhook-delete", "/w/demo/settings/webhooks/{webhook}/delete", shows="dialog[open]"),
    Place("audit", "/w/demo/settings/audit"),
    Place("workspace-delete", "/w/demo/settings/delete", shows="dialog[open]"),
)


class Forms:
    """Sends forms as a browser does, without drawing the pages."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context, self.address = context, address
        self.token = ""

    def get(self, path: str) -> str:
        answer = self.context.request.get(self.address + path)
        assert answer.ok, (path, answer.status)
        return answer.text()

    def send(self, path: str, **fields: str) -> APIResponse:
        """POST a form, follow where it leads, return that page."""
        self.token = self.token or re.findall(r'name="csrf_token"\s+value="([^"]+)"', self.get("/profile"))[0]
        answer = self.context.request.post(self.address + path, form={"csrf_token": self.token, **fields})
        assert answer.ok, (path, answer.status)
        return answer


class Stage:
    """What the pages show, made in the demo workspace by the forms that people use. `made` are the ids and paths in PLACES."""

    def __init__(self, browser: Browser, product: Product, demo_state: StorageState) -> None:
        self.address = address = product.address
        self.states: dict[str, StorageState | None] = {NOBODY: None, DEMO: demo_state}
        self.context = browser.new_context(storage_state=demo_state)
        self.forms = Forms(self.context, address)
        self.forms.send("/workspaces", name="Empty", slug="empty")
        options = self.forms.get("/w/demo/credentials/_options")
        keys = dict(re.findall(r'<option value="([0-9a-f]{32})"[^>]*>\s*([^<·(]+)', options))
        self.made = {"bad_key" if "expired" in name else "good_key": key for key, name in keys.items()}
        self._write()
        self._invite(browser)
        self._add_administrator(browser, product)
        self._add_webhook()
        self._run()
        self._batch()
        self._release()

    def close(self) -> None:
        self.context.close()

    def visit(self, page: Page, place: Place) -> int:
        """Go to a place, wait until all of it is there, return the status."""
        if "{streaming}" in place.path:
            self.made["streaming"] = self._execute(model="demo-slow", template="Tell the story of one word. " * 30)
        answer = page.goto(self.address + place.path.format(**self.made))
        assert answer is not None
        expect(page.locator(place.shows).first).to_be_visible()
        if place.opens:
            page.locator(place.opens).click()
        expect(page.locator(".htmx-request")).to_have_count(0)
        return answer.status

    def _write(self) -> None:
        self.forms.send("/w/demo/credentials/test")
        prompts = "/w/demo/prompt-templates"
        self.forms.send(f"{prompts}/support-reply/versions/1/drafts")
        body = (
            "Customer {{customer_name}} wrote:\n\n{{message}}\n\nOrder: {{order_id}}\n\nAnswer in {{max_words}} words."
        )
        lock = re.findall(
            r'name="lock_version"[^>]*value="(\d+)"', self.forms.get(f"{prompts}/support-reply/versions/2")
        )
        self.forms.send(f"{prompts}/support-reply/versions/2", body=body, lock_version=lock[0])
        self._branch(f"{prompts}/text-classification")
        self.forms.send(f"{prompts}/meeting-summary/versions/1/drafts")
        self.forms.send(f"{prompts}/meeting-summary/versions/2/preview")
        self.forms.send(f"{prompts}/meeting-summary/favourite", favourite="1")
        self.made["tag"] = re.findall(r"/tags/([0-9a-f]{32})/rename", self.forms.get("/w/demo/tags"))[0]
        self.forms.send("/w/demo/settings/tokens", name="helpdesk", scope="run", days="90")

    def _add_webhook(self) -> None:
        """One whose receiver is not there; the demo may call this port of its own machine."""
        settings = "/w/demo/settings/webhooks"
        page = self.forms.send(settings, url="http://localhost:1234/hooks", events="prompt_template.published").text()
        self.made["webhook"] = re.findall(r"webhooks/([0-9a-f]{32})/test", page)[0]
        page = self.forms.send(f"{settings}/{self.made['webhook']}/test").text()
        self.made["delivery"] = re.findall(r"deliveries/([0-9a-f]{32})", page)[0]

    def _add_administrator(self, browser: Browser, product: Product) -> None:
        """A system administrator, who belongs to no workspace."""
        product.make_administrator("root@example.com", "a door with seven locks")
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{self.address}/login?next=/admin/queue")
        page.fill("#email", "root@example.com")
        page.fill("#password", "a door with seven locks")
        page.locator("#password").press("Enter")
        page.wait_for_url("**/admin/queue")
        self.states[ROOT] = context.storage_state()
        context.close()

    def _branch(self, template: str) -> None:
        """Two drafts that do not agree, one of them on a branch, with an example message and a text that was replaced."""
        self.forms.send(f"{template}/versions/1/branch", branch="careful")
        self.forms.send(f"{template}/versions/1/drafts")
        body = "Text: {{text}}\n\nName its class"
        self.forms.send(f"{template}/versions/2", body=f"{body}, and why.", lock_version="1")
        example = {"has_messages": "1", "message-role": "user", "message-content": "Text: {{text}}"}
        self.forms.send(f"{template}/versions/3", body=f"{body} in one word.", lock_version="1", **example)
        saved = re.findall(
            rf'"({template}/versions/3/saved/[0-9a-f]+)"', self.forms.get(f"{template}/versions/3/saved")
        )
        self.made["saved"] = saved[0]

    def _invite(self, browser: Browser) -> None:
        for email in ("vera@example.com", "noor@example.com"):
            page = self.forms.send("/w/demo/settings/invitations", email=email, role="viewer").text()
            link = urlsplit(re.findall(r'id="invitation-link">([^<]+)<', page)[0]).path
            if email.startswith("vera"):
                self.states[VIEWER] = self._join(browser, link)
            else:
                self.made["invitation"] = link
        members = self.forms.get("/w/demo/settings/members")
        self.made["membership"] = re.findall(r"members/([0-9a-f]{32})/remove[^>]*Remove Vera", members)[0]

    def _join(self, browser: Browser, link: str) -> StorageState:
        context = browser.new_context()
        page = context.new_page()
        page.goto(self.address + link)
        page.fill("[name=name]", "Vera Lind")
        page.fill("[name=password]", "a door with seven locks")
        page.click("button[type=submit]")
        page.wait_for_url("**/w/demo/")
        state = context.storage_state()
        context.close()
        return state

    def _run(self) -> None:
        variables = {
            "product_name": "Northbeam",
            "language": "English",
            "tone": "friendly",
            "customer_name": "Amina Okafor",
        }
        variables |= {
            "message": "I was charged twice for one invoice.",
            "notes": "It was paid twice.",
            "max_words": "120",
        }
        reply = {f"var-{name}": value for name, value in variables.items()} | {"prompt_template": "support-reply"}
        self.made["completed"] = self._execute(**reply)
        self.made["failed"] = self._execute(credential_id=self.made["bad_key"], template="Hello?")
        self.made["as_html"] = self._execute(template="Write a page about rivers. Name three of them.", format="html")
        self.made["as_json"] = self._execute(template="List the rivers of Europe.", format="json")
        self.made["cancelled"] = self._execute(model="demo-slow", template="Never mind.")
        self.forms.send(f"/w/demo/executions/{self.made['cancelled']}/cancel")
        for name in ("completed", "failed", "as_html", "as_json"):
            self._wait_for_end(self.made[name])
        self.made["waiting"] = self._execute(model="demo-overloaded", template="Is anybody there?")
        self.forms.send(
            f"/w/demo/executions/{self.made['completed']}/feedback", rating="up", comment="Exactly our tone."
        )

    def _batch(self) -> None:
        """A draft, one with mistakes, one that is paused, one whose rows all failed."""
        header, row = "product_name,customer_name,message", "Northbeam,Amina,Where is my invoice?"
        drafts = dict.fromkeys(("draft", "paused", "failed"), f"{header}\n{row}\n{row}")
        for name, table in {**drafts, "wrong": f"{header}\n{row}\nNorthbeam,Noor,"}.items():
            made = self.forms.send("/w/demo/batches", prompt_template="support-reply", pasted=table, name=name)
            self.made[f"batch_{name}"] = made.url.rpartition("/")[2]
        for name, key, model in (("paused", "good_key", "demo-slow"), ("failed", "bad_key", "")):
            given = {f"column-{column}": column for column in header.split(",")}
            given |= {"credential_id": self.made[key], "model": model, "at_once": "1"}
            self.forms.send(f"/w/demo/batches/{self.made[f'batch_{name}']}/start", **given)
        self.forms.send(f"/w/demo/batches/{self.made['batch_paused']}/pause")
        self._wait_for_end(self.made["batch_failed"], "/w/demo/batches", "every 2s")

    def _release(self) -> None:
        """Labels with moves, a link, and a request that waits."""
        prompts, publishing = "/w/demo/prompt-templates", "/w/demo/settings/publishing"
        self.forms.send(f"{publishing}/labels", name="staging")
        page = self.forms.send(f"{publishing}/labels", name="production", protected="1").text()
        self.made["label"] = re.findall(r"publishing/labels/([0-9a-f]{32})/delete", page)[0]
        self.forms.send(f"{prompts}/support-reply/labels/staging", version="1", message="For the test desk")
        self.forms.send(f"{publishing}", approval="second_person")
        self.forms.send(f"{prompts}/meeting-summary/versions/2/publish", message="Shorter", semver="", lock_version="")
        self.forms.send(f"{publishing}", approval="none")
        self.made["approval"] = re.findall(r'"(/w/demo/approvals/[0-9a-f]{32})"', self.forms.get("/w/demo/approvals"))[
            0
        ]
        page = self.forms.send(f"{prompts}/support-reply/versions/2/links", lifetime="1d").text()
        self.made["shared"] = urlsplit(re.findall(r'id="preview-link">([^<]+)<', page)[0]).path

    def _execute(self, **fields: str) -> str:
        """Submit an execution and return its id. Pinned to the credential that works where a model is named."""
        pinned = {"credential_id": self.made["good_key"]} if "model" in fields else {}
        return self.forms.send("/w/demo/executions", **pinned, **fields).url.rpartition("/")[2]

    def _wait_for_end(self, row_id: str, below: str = "/w/demo/executions", going_on: str = "/_live") -> None:
        give_up = time.monotonic() + 60
        while going_on in self.forms.get(f"{below}/{row_id}/_live"):
            assert time.monotonic() < give_up, f"{row_id} does not end"
            time.sleep(0.1)
