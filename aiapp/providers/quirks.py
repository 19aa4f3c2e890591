"""How one provider's dialect differs from its neighbours', as data: dialects read this and never a provider's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from aiapp.providers.endpoints import Locate, under_base

Auth = Literal["bearer", "x-api-key", "api-key", "x-goog-api-key", "none"]
JsonMode = Literal["json_object", "json_schema"]

JSON_MODES: frozenset[JsonMode] = frozenset({"json_object", "json_schema"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What a dialect must know of the provider it speaks to.

    auth: the header that carries the key; no header is sent without a key.
    headers: sent with every request.
    locate: where a path lies under a credential's base URL.
    models_path: where an OpenAI-compatible provider lists its models.
    open_models: its model list answers without a key or with a wrong one, so that it proves nothing about the key.
    lists_what_is_asked: whether what it lists are the names that it is asked by. Azure is asked for deployments, and lists the
        models that could be deployed.
    key_path: what tells about the key then, "" where nothing but a completion does.
    max_tokens_field: the request field that limits the answer's tokens.
    default_max_tokens: sent where nobody chose a limit; None where the provider does not insist on one.
    max_temperature: higher values are lowered to it, so that a prompt written for one provider runs on the next.
    fixed_sampling: models (by prefix) that refuse temperature and top_p; neither is sent to them.
    one_sampling_parameter: the provider refuses temperature and top_p together; temperature is sent.
    stream_options: whether usage has to be asked for, and may be.
    end_marker: whether a stream always ends with `[DONE]`. Where it need not, an event that has both the finish reason and the
        usage may end it instead.
    json_modes: the JSON modes that the provider itself offers.
    schema_models: models (by prefix) that take a schema where not all do.
    reasoning_tokens: where reasoning is counted unless the reported total tells: "inside" the completion tokens, or "outside".
    """

    auth: Auth = "bearer"
    headers: Mapping[str, str] = field(default_factory=dict)
    locate: Locate = under_base
    models_path: str = "/models"
    open_models: bool = False
    lists_what_is_asked: bool = True
    key_path: str = ""
    max_tokens_field: str = "max_tokens"
    default_max_tokens: int | None = None
    max_temperature: float = 2.0
    fixed_sampling: tuple[str, ...] = ()
    one_sampling_parameter: bool = False
    stream_options: bool = True
    end_marker: bool = True
    json_modes: frozenset[JsonMode] = frozenset({"json_object"})
    schema_models: tuple[str, ...] = ()
    reasoning_tokens: Literal["inside", "outside"] = "inside"
