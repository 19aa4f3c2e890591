"""The API's rules for what becomes of executions' texts."""

from __future__ import annotations

from typing import Annotated

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from aiapp.api.asking import asking, needs
from aiapp.api.shapes import Text
from aiapp.extensions import settings
from aiapp.retention import actions

data = APIBlueprint("data", __name__, abp_tags=[Tag(name="Data")], abp_security=[{"token": []}])

# As the API calls what the rules are called inside.
NAMES = {"encrypt_texts": "seals_texts", "keep_texts": "keeps_texts", "private_executions": "private_executions"}
NAMES |= {"texts_days": "texts_days", "executions_days": "executions_days"}


class RulesBody(BaseModel):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    encrypt_texts: bool | None = None
    keep_texts: bool | None = None
    private_executions: bool | None = None
    texts_days: int | None = Field(None, description="1 to 36500; null: texts are kept with their execution")
    executions_days: int | None = Field(None, description="1 to 36500; null: as the server does")
    confirm: Text = Field("", description="the workspace's address, for what cannot be undone")


class Resealing(TypedDict):
    """How far the rows from before a change are."""

    done: int
    total: int


class Rules(TypedDict):
    """What becomes of the executions of the workspace."""

    encrypt_texts: bool
    keep_texts: Annotated[bool, Field(description="false: texts are erased one hour after the end")]
    private_executions: Annotated[bool, Field(description="only their author and admins see them")]
    texts_days: Annotated[int | None, Field(description="texts are erased after so many days")]
    executions_days: Annotated[int | None, Field(description="executions are deleted after so many days")]
    server_days: Annotated[int | None, Field(description="where executions_days is null; null: never")]
    resealing: Annotated[Resealing | None, Field(description="earlier rows that are being encrypted or decrypted")]


@data.get("/settings/data", summary="What becomes of executions")
@needs("admin", "admin")
def read() -> Rules:
    """Whether texts are kept and encrypted, for how long, and who sees executions."""
    return show()


@data.patch("/settings/data", summary="Change what becomes of executions")
@needs("admin", "admin")
def change(body: RulesBody) -> Rules:
    """What cannot be undone is 409 `confirm` without `confirm`, and says how many executions and batches lose their texts."""
    given = body.model_dump(exclude_unset=True, exclude={"confirm"})
    flags = {name: value for name, value in given.items() if value is not None or name in actions.DAYS}
    actions.change(asking(), {NAMES[name]: value for name, value in flags.items()}, body.confirm)
    return show()


def show() -> Rules:
    """Return the asking workspace's rules."""
    workspace = asking().workspace
    progress = workspace.resealing
    return {
        "encrypt_texts": workspace.seals_texts,
        "keep_texts": workspace.keeps_texts,
        "private_executions": workspace.private_executions,
        "texts_days": workspace.texts_days,
        "executions_days": workspace.executions_days,
        "server_days": settings().retention_days or None,
        "resealing": None if progress is None else {"done": progress["done"], "total": progress["total"]},
    }
