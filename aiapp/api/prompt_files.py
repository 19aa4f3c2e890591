"""The API's prompt templates as files: taken out as Markdown, brought in from here and from other tools."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from aiapp.api.asking import asking, needs
from aiapp.api.idempotency import once
from aiapp.api.shapes import OptionalBody, Strict, Text
from aiapp.errors import InvalidInput
from aiapp.prompt_files import actions, archives, plans, reading
from aiapp.prompt_files.found import Refused
from aiapp.prompt_templates.text import documents

prompt_files = APIBlueprint("prompt_files", __name__, abp_tags=[Tag(name="Files")], abp_security=[{"token": []}])


class FileBody(BaseModel):
    """A file of prompt templates."""

    name: Text = Field(
        max_length=300,
        description="its end (.md, .json, .yaml) says what it is; where it has no slug, its name gives one",
    )
    content: Text = Field(description="its text; of a zip file its bytes in base64")
    encoding: Literal["text", "base64"] = "text"


class ImportBody(BaseModel):
    """Markdown with front matter, a zip file of such, Langfuse prompts as JSON, a promptfoo configuration."""

    files: list[FileBody] = Field(min_length=1, max_length=reading.MOST_FILES)
    publish: bool = Field(False, description="publish what is made; else it is a draft")
    message: Text = Field("", description="what changed, for the history")
    plan_only: bool = Field(False, description="say what would be done, and do nothing")


class ExportBody(OptionalBody, Strict):
    """Which prompt templates."""

    slugs: list[Text] = Field(
        default_factory=list, max_length=reading.MOST_TEMPLATES, description="none: all that are not archived"
    )


class ImportStep(TypedDict):
    """What becomes of one prompt template of a file."""

    file: str
    slug: Annotated[str | None, Field(description="null: the file holds no prompt template")]
    action: Literal["create", "change", "unchanged", "left out", "refused"]
    what: Annotated[list[str], Field(description="what changes, in words")]
    problems: Annotated[list[str], Field(description="why it is refused")]
    notes: Annotated[list[str], Field(description="what could not be taken over")]


class Import(TypedDict):
    """What files would do, and whether it was done."""

    done: bool
    steps: list[ImportStep]


class File(TypedDict):
    """A prompt template as a file, as an import takes it."""

    name: str
    content: str


class Export(TypedDict):
    """Prompt templates as files."""

    files: list[File]


@prompt_files.post("/prompt-templates/import", summary="Import files")
@once()
@needs("editor", "write")
def import_files(body: ImportBody) -> tuple[Import, Literal[201]] | Import:
    """All of it or nothing: 422 names what is refused. 200 where nothing is to be done, or `plan_only` asks for the plan.

    The same files once more change nothing. With `publish` it is 409 `approval_needed` where somebody else has to agree first.
    """
    access = asking()
    try:
        plan = plans.plan(access, reading.read_all(_files(body.files)), publish=body.publish)
    except Refused as refusal:
        raise InvalidInput(errors=[{"field": "files", "message": str(refusal)}]) from refusal
    steps = [_step(one) for one in plan.steps]
    if body.plan_only or not actions.carry_out(access, plan, body.message, through="API"):
        return {"done": False, "steps": steps}
    return {"done": True, "steps": steps}, 201


@prompt_files.post("/prompt-templates/export", summary="Export files")
@needs("viewer", "read")
def export(body: ExportBody) -> Export:
    """One Markdown file each, of the published version, else of the newest; noted in the audit log."""
    access = asking()
    wanted = actions.documents_of(access, body.slugs)
    actions.note_export(access, len(wanted), "API")
    return {"files": [{"name": f"{one['slug']}.md", "content": documents.write(one)} for one in wanted]}


def _files(given: Iterable[FileBody]) -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes, those of a zip file in its place. Raises InvalidInput, Refused."""
    for number, file in enumerate(given):
        data = file.content.encode()
        if file.encoding == "base64":
            try:
                data = base64.b64decode(file.content, validate=True)
            except (binascii.Error, ValueError) as error:
                message = "This is not base64."
                raise InvalidInput(errors=[{"field": f"files.{number}.content", "message": message}]) from error
        if archives.is_zip(data):
            yield from archives.unpack(data)
        else:
            yield file.name, data


def _step(step: plans.Step) -> ImportStep:
    return {
        "file": step.source,
        "slug": step.slug or None,
        "action": step.action,
        "what": list(step.what),
        "problems": list(step.problems),
        "notes": list(step.notes),
    }
