"""Starters: six prompt templates that work as they are. The demo workspace has them; a new template can begin as one."""

from __future__ import annotations

from typing import Any


def find(slug: str) -> dict[str, Any] | None:
    """Return what `actions.create` takes to make the starter with this slug; None where there is none."""
    return next((dict(starter) for starter in STARTERS if starter["slug"] == slug), None)


def _variable(name: str, sample: Any, description: str = "", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "text", "required": True, "sample": sample, "description": description, **more}


_SUPPORT_REPLY: dict[str, Any] = {
    "name": "Support reply",
    "slug": "support-reply",
    "description": "Answers a customer's message in the product's voice, with clear next steps and no promises.",
    "tags": ["support", "email"],
    "task": "chat",
    "output_format": "markdown",
    "temperature": 0.4,
    "max_tokens": 700,
    "system": (
        "You are a support specialist for {{product_name}}. Write in {{language}}, in a {{tone}} voice.\n"
        "Use only what the customer wrote and what the notes say. If something is not known, ask for it in one question.\n"
        "Never promise refunds, dates or features."
    ),
    "body": (
        "The customer {{customer_name}} wrote:\n\n"
        '"""\n{{message}}\n"""\n\n'
        "What we know about the case:\n{{notes}}\n\n"
        "Write a reply of at most {{max_words}} words:\n"
        "1. Show in one sentence that the problem is understood.\n"
        "2. Answer the question, or say what happens now.\n"
        "3. End with a numbered list of the next steps, each under 15 words."
    ),
    "variables": [
        _variable("product_name", "Northbeam Billing", "The product's name, as customers know it."),
        _variable(
            "language", "English", type="choice", choices=["English", "German", "French", "Spanish"], default="English"
        ),
        _variable("tone", "friendly", type="choice", choices=["friendly", "formal", "brief"], default="friendly"),
        _variable("customer_name", "Amina Okafor"),
        _variable(
            "message",
            "I was charged twice for the same invoice on 14 March and nobody answered my first email.",
            "The customer's message, as it came in.",
            type="long_text",
        ),
        _variable(
            "notes",
            "Invoice 2291 was paid twice. The second payment is on hold; the finance team releases it within two days.",
            "Facts from the case. Nothing else is treated as true.",
            type="long_text",
            required=False,
        ),
        _variable("max_words", 120, type="number", default=120),
    ],
}

_MEETING_SUMMARY: dict[str, Any] = {
    "name": "Meeting summary",
    "slug": "meeting-summary",
    "description": "Turns a transcript or rough notes into decisions, tasks with owners, and open questions.",
    "tags": ["internal", "meetings"],
    "task": "insight_extraction",
    "output_format": "markdown",
    "temperature": 0.2,
    "max_tokens": 1200,
    "system": (
        "You write minutes that people act on. Report only what was said. Do not guess owners or dates: write "
        '"no owner" or "no date" instead. Leave out small talk.'
    ),
    "body": (
        "Meeting: {{title}}\nPeople: {{people}}\n\n"
        "Notes or transcript:\n\n{{notes}}\n\n"
        "Write for {{audience}}, under these headings:\n\n"
        "## In short\nThree sentences at most.\n\n"
        "## Decisions\nOne line each, with the reason where one was given.\n\n"
        "## Tasks\nA table with the columns Task, Owner, Due.\n\n"
        "## Open questions\nWhat was raised and not settled."
    ),
    "variables": [
        _variable("title", "Weekly release sync"),
        _variable("people", "Mara (lead), Jon, Devi"),
        _variable(
            "notes",
            "Mara: the import is ready but slow, 40 seconds for the big file. Jon can look at it before Thursday. "
            "We keep the release on the 21st and ship without the new filter. Devi asks whether support has the new "
            "texts; nobody knew. Jon also saw two failed jobs on staging, will be looked at later.",
            "Paste the whole transcript; a few lines are enough to try it.",
            type="long_text",
        ),
        _variable(
            "audience",
            "the team",
            type="choice",
            choices=["the team", "management", "a customer"],
            default="the team",
        ),
    ],
}

_INVOICE_EXTRACTION: dict[str, Any] = {
    "name": "Invoice extraction",
    "slug": "invoice-extraction",
    "description": "Reads the text of an invoice into JSON: seller, numbers, dates, lines and totals, checked by a schema.",
    "tags": ["finance", "extraction"],
    "task": "insight_extraction",
    "output_format": "json",
    "temperature": 0,
    "max_tokens": 1500,
    "system": (
        "You copy facts from invoices into JSON. Copy, never calculate and never complete: what is not on the invoice is "
        "null. Dates are written YYYY-MM-DD, amounts as numbers with a point, currencies as ISO 4217 codes. "
        "Answer with the JSON object alone."
    ),
    "body": (
        "The text of the invoice, as it was scanned:\n\n"
        '"""\n{{invoice_text}}\n"""\n\n'
        "Where a date could be read in two ways, it is {{date_order}}. List in `doubts` every field that you are not sure "
        "of, and why."
    ),
    "variables": [
        _variable(
            "invoice_text",
            "Hallberg Paper AB, Lund\nInvoice 10-4471   Date 03/04/2026   Due 03/05/2026\n"
            "12 boxes copy paper A4   à 31.50   378.00\nDelivery   18.00\nSubtotal 396.00   VAT 25% 99.00\n"
            "Total SEK 495.00",
            type="long_text",
        ),
        _variable(
            "date_order",
            "day before month",
            type="choice",
            choices=["day before month", "month before day"],
            default="day before month",
        ),
    ],
    "json_schema": {
        "type": "object",
        "properties": {
            "seller": {"type": ["string", "null"]},
            "invoice_number": {"type": ["string", "null"]},
            "issued_on": {"type": ["string", "null"], "description": "YYYY-MM-DD"},
            "due_on": {"type": ["string", "null"], "description": "YYYY-MM-DD"},
            "currency": {"type": ["string", "null"], "description": "ISO 4217"},
            "lines": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "description": {"type": "string"},
                        "quantity": {"type": ["number", "null"]},
                        "unit_price": {"type": ["number", "null"]},
                        "amount": {"type": ["number", "null"]},
                    },
                    "required": ["description", "quantity", "unit_price", "amount"],
                    "additionalProperties": False,
                },
            },
            "net": {"type": ["number", "null"]},
            "tax": {"type": ["number", "null"]},
            "total": {"type": ["number", "null"]},
            "doubts": {"type": "array", "items": {"type": "string"}},
        },
        "required": [
            "seller",
            "invoice_number",
            "issued_on",
            "due_on",
            "currency",
            "lines",
            "net",
            "tax",
            "total",
            "doubts",
        ],
        "additionalProperties": False,
    },
}

_RELEASE_NOTES: dict[str, Any] = {
    "name": "Release notes",
    "slug": "release-notes",
    "description": "Makes notes that users understand out of commit messages or a list of merged changes.",
    "tags": ["engineering", "writing"],
    "task": "markdown_generation",
    "output_format": "markdown",
    "temperature": 0.3,
    "max_tokens": 1000,
    "system": (
        "You write release notes for {{audience}} of {{product_name}}. Say what people can do now that they could not do "
        "before; leave out refactoring, tests and version bumps. Every line must be backed by a change in the list."
    ),
    "body": (
        "Version {{version}}. Changes since the one before:\n\n{{changes}}\n\n"
        "Write:\n"
        "- one sentence on what matters most in this version;\n"
        "- the sections New, Better, Fixed, each as a list, and only those that have something in them;\n"
        "- a section Before you upgrade, if a change breaks something: {{breaking}}."
    ),
    "variables": [
        _variable("product_name", "Northbeam Billing"),
        _variable(
            "audience", "users", type="choice", choices=["users", "administrators", "developers"], default="users"
        ),
        _variable("version", "4.2.0"),
        _variable(
            "changes",
            "feat: invoices can be sent in French\nfix: double charge when the browser sends the form twice (#812)\n"
            "perf: list of invoices loads in one query\nrefactor: move tax rules\n"
            "feat!: API tokens expire after a year",
            "Commit messages, pull request titles or a change log, one per line.",
            type="long_text",
        ),
        _variable(
            "breaking",
            "API tokens made before this version expire on 1 June.",
            "What people must do before they upgrade.",
            required=False,
            default="nothing is known",
        ),
    ],
}

_TEXT_CLASSIFICATION: dict[str, Any] = {
    "name": "Text classification",
    "slug": "text-classification",
    "description": "Puts a text into one of your own classes, with a confidence and the words that decided.",
    "tags": ["support", "extraction"],
    "task": "insight_extraction",
    "output_format": "json",
    "temperature": 0,
    "max_tokens": 300,
    "system": (
        "You sort texts into given classes. Choose exactly one class by what the text asks for, not by single words. If "
        "no class fits, or two fit alike, the confidence is below 0.5. Answer with the JSON object alone."
    ),
    "body": (
        "The classes, as JSON (name and what belongs to it):\n{{classes}}\n\n"
        "The text:\n\n"
        '"""\n{{text}}\n"""\n\n'
        "`label` is the name of the class, `confidence` a number from 0 to 1, `evidence` the words of the text that decided, "
        "`language` its ISO 639-1 code."
    ),
    "variables": [
        _variable(
            "classes",
            {
                "billing": "invoices, payments, refunds",
                "bug": "something does not work as described",
                "question": "how to do something",
                "cancellation": "wants to leave or to pay less",
            },
            "An object: the name of each class and what belongs to it.",
            type="json",
        ),
        _variable(
            "text",
            "Since Monday the export stops at page 3. Is that on purpose? We need it for our audit.",
            type="long_text",
        ),
    ],
    "json_schema": {
        "type": "object",
        "properties": {
            "label": {"type": "string"},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "evidence": {"type": "array", "items": {"type": "string"}},
            "language": {"type": "string"},
        },
        "required": ["label", "confidence", "evidence", "language"],
        "additionalProperties": False,
    },
}

_LANDING_SECTION: dict[str, Any] = {
    "name": "Landing page section",
    "slug": "landing-page-section",
    "description": "Drafts one section of a landing page as clean HTML that takes its looks from your own style sheet.",
    "tags": ["marketing", "writing"],
    "output_format": "html",
    "temperature": 0.7,
    "max_tokens": 1200,
    "system": (
        "You write web copy that is concrete and honest: no superlatives, no invented figures, no exclamation marks. "
        "Answer with HTML alone: one <section> with headings in order, paragraphs and lists. No scripts, no style "
        "attributes, no images, no links but the one that is given."
    ),
    "body": (
        "Product: {{product_name}}\nFor whom: {{audience}}\nWhat this section is about: {{topic}}\n\n"
        "Facts that may be used, and no others:\n{{facts}}\n\n"
        "Write a section with a heading of at most 8 words, a paragraph of at most 50 words, three points of one sentence "
        "each{{extra}}, and a link to {{link}} with the words \u201c{{call}}\u201d."
    ),
    "variables": [
        _variable("product_name", "Northbeam Billing"),
        _variable("audience", "small agencies that invoice by the hour"),
        _variable("topic", "sending invoices that are paid on time"),
        _variable(
            "facts",
            "Reminders go out on the days that you choose.\nCustomers pay by card or bank transfer.\n"
            "Hours come from the time sheet by themselves.",
            type="long_text",
        ),
        _variable("extra", ", a short quotation block with one of the facts", required=False),
        _variable("link", "/sign-up", default="/sign-up"),
        _variable("call", "Start with one customer", "The words of the link.", default="Try it"),
    ],
}

STARTERS: tuple[dict[str, Any], ...] = (
    _SUPPORT_REPLY,
    _MEETING_SUMMARY,
    _INVOICE_EXTRACTION,
    _RELEASE_NOTES,
    _TEXT_CLASSIFICATION,
    _LANDING_SECTION,
)
