"""Where an API's paths lie under a credential's base URL: right under it, behind a prefix, or as Azure arranges them."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlsplit, urlunsplit

# base URL, path, model, API version (both may be empty) -> URL
Locate = Callable[[str, str, str, str], str]

# What the deployment paths ask for where nobody chose: the last version of them that is generally available.
AZURE_API_VERSION = "2024-10-21"


def endpoint(base_url: str, path: str) -> str:
    """Return `path` under `base_url`; a query of either is kept."""
    base, more = urlsplit(base_url.strip()), urlsplit(path)
    query = "&".join(filter(None, (base.query, more.query)))
    return urlunsplit((base.scheme, base.netloc, base.path.rstrip("/") + more.path, query, ""))


def under_base(base_url: str, path: str, model: str, api_version: str) -> str:
    """Return the URL of a provider whose base URL is the API's own."""
    return endpoint(base_url, path)


def behind(prefix: str) -> Locate:
    """Return how a second API is found whose base URL would be the provider's bare host and `prefix` (`/v1`)."""

    def locate(base_url: str, path: str, model: str, api_version: str) -> str:
        typed = urlsplit(base_url.strip()).path.rstrip("/").endswith(prefix)
        return endpoint(base_url, path if typed else prefix + path)

    return locate


def azure(base_url: str, path: str, model: str, api_version: str) -> str:
    """Return the URL of an Azure resource (https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle).

    A bare resource, `https://NAME.openai.azure.com`, is spoken to at `/openai/v1`; with an API version at the older paths,
    which name the deployment (the model). A base URL that has a path of its own keeps it.
    """
    parts = urlsplit(base_url.strip())
    folder = parts.path.rstrip("/")
    deployment = folder if "/deployments/" in folder else ""
    if folder in ("", "/openai") and not api_version:
        folder = "/openai/v1"
    elif folder in ("", "/openai"):
        folder, deployment = "/openai", f"/openai/deployments/{quote(model, safe='')}"
    if deployment:
        folder = deployment if path in _OF_A_DEPLOYMENT else deployment.partition("/deployments/")[0]
        api_version = api_version or AZURE_API_VERSION
    url = urlunsplit((parts.scheme, parts.netloc, folder + path, parts.query, ""))
    return endpoint(url, f"?api-version={quote(api_version, safe='')}") if api_version else url


_OF_A_DEPLOYMENT = frozenset({"/chat/completions", "/embeddings"})
