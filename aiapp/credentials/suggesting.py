"""PURE: which of a provider's models are suggested where one is chosen to chat with."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiapp.providers.registry import Provider

# Lists of models say seldom what each is for; those that only embed are told by the names that their makers give them.
_EMBEDS = re.compile(r"embed|(?:^|[/-])(?:bge|gte|e5|all-minilm)-", re.IGNORECASE)


def to_chat_with(names: Sequence[str], provider: Provider | None) -> list[str]:
    """Return those of `names` that are not known to make embeddings, which answer no prompt."""
    embedding = provider.embedding_models if provider else ()
    return [name for name in names if name not in embedding and not _EMBEDS.search(name)]
