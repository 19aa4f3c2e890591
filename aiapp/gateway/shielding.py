"""A dialect is handed a stranger's bytes: what it did not foresee in them is a bad response, never a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from aiapp.observability.logs import log
from aiapp.providers import registry
from aiapp.providers.transport import Answer
from aiapp.providers.types import Dialect, ProviderError, Target

Item = TypeVar("Item")

# An error page is read no further than a message can be found in it.
_ERROR_BYTES = 64 * 1024


def dialect_of(target: Target) -> Dialect:
    """Return the dialect that the target's settings choose. Raises ProviderError as `provider_of` does."""
    return provider_of(target).dialect_for(target.settings)


def provider_of(target: Target) -> registry.Provider:
    """Return the target's provider. Raises ProviderError `permission` where this release does not know it."""
    try:
        return registry.provider(target.provider)
    except registry.UnknownProvider:
        # a row of another release: another credential may well do
        raise ProviderError("permission", f"This version does not know the provider {target.provider}.") from None


def refusal(dialect: Dialect, answer: Answer) -> ProviderError:
    """Return what an answer with another status than 200 means, as far as it can be read."""
    try:
        body = answer.read(_ERROR_BYTES)
    except ProviderError as error:
        if error.error_class == "cancelled":
            raise
        body = b""  # the status says more than the failure to read its page
    return shielded(dialect.error, answer.status, answer.headers, body)


def shielded(read: Callable[..., Item], *arguments: Any) -> Item:
    """Call a dialect. What it did not foresee in a stranger's bytes is a bad response, and in the log; never a crash."""
    try:
        return read(*arguments)
    except ProviderError:
        raise
    except Exception as exc:
        raise _unforeseen(exc) from exc


def shielded_items(items: Iterable[Item]) -> Iterator[Item]:
    """Yield what a dialect yields, as `shielded` calls one."""
    source = iter(items)
    while True:
        try:
            item = next(source)
        except StopIteration:
            return
        except ProviderError:
            raise
        except Exception as exc:
            raise _unforeseen(exc) from exc
        yield item


def _unforeseen(exc: Exception) -> ProviderError:
    log(__name__).error("gateway.dialect_failed", exc_info=exc)
    return ProviderError("bad_response", "The provider's answer could not be read.")
