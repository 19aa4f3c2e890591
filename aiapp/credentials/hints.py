"""PURE: what to do about a connection test that failed, in the words of somebody who has set this provider up before."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from aiapp.providers.addresses import UNREACHABLE
from aiapp.providers.registry import PROVIDERS, Provider
from aiapp.providers.types import ProviderError, Target

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - a name to look for, not to listen on
SHOWN_MODELS = 5
# What people copy along with the base URL.
_ENDPOINT = re.compile(r"/(chat/completions|completions|responses|messages|models|api/chat|api/generate|api/tags|api)$")
_AZURE_PATHS = frozenset({"", "/openai", "/openai/v1"})
_REGION = re.compile(r"\b(?:region|country|territory|location)")

# How a server of one's own is made to answer, and how it gets a model.
_LISTEN: Mapping[str, str] = {
    "ollama": "Is Ollama running there, and does it listen on the network (OLLAMA_HOST=0.0.0.0:11434)?",
    "lmstudio": "Is LM Studio's server started, with Serve on Local Network switched on?",
}
_GET_MODEL: Mapping[str, str] = {
    "azure": "{model} is no deployment there, or is minutes old: as the preferred model, type the name that your deployment has.",
    "ollama": "Pull it on that machine with: ollama pull {model}",
    "lmstudio": "Download and load it in LM Studio.",
}
_GET_ANY: Mapping[str, str] = {
    "azure": "Type the name of your deployment as the preferred model.",
    "ollama": "Pull one on that machine, for example with: ollama pull qwen3",
    "lmstudio": "Download one and load it in LM Studio.",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that failed: what was asked of whom, the error, the models that the server listed before, and which step."""

    target: Target
    error: ProviderError
    models: Sequence[str] = ()
    step: str = ""

    @property
    def provider(self) -> Provider:
        """The target's provider."""
        return PROVIDERS[self.target.provider]


def hint(failure: Failure) -> str:
    """Return what to do, one to three sentences; empty where the provider's own words say it all."""
    error = failure.error
    if failure.step == "json" and error.error_class == "bad_request":
        return _no_json_mode(failure)
    if failure.step in _OWN_ADVICE and error.error_class in {"bad_response", "bad_request", "network", "timeout"}:
        return _OWN_ADVICE[failure.step]
    if error.http_status in {404, 405} and error.error_class != "model_not_found":
        advice = _wrong_path(failure)
        if failure.target.model:
            return advice
        return f"{advice.rstrip('.')}. If the address is right, type the preferred model."
    advise = _ADVICE.get(error.error_class)
    return advise(failure) if advise else ""


def _unreachable(failure: Failure) -> str:
    target, provider = failure.target, failure.provider
    url = urlsplit(target.base_url)
    if failure.step != "network" and failure.error.error_class == "network":
        return "Something listens at this address and ended the connection: check the port and the scheme, then the server's log."
    if failure.step == "network" and failure.error.message != UNREACHABLE:
        return _no_tls(failure)
    if (url.hostname or "") in _LOCAL_NAMES:
        return (
            f"{url.hostname} is the machine that this app runs on; in a container it is the container itself. There, use the "
            f"host's address (http://host.docker.internal{f':{url.port}' if url.port else ''}). {_LISTEN.get(provider.kind, '')}"
        ).strip()
    if provider.place == "own":
        return _LISTEN.get(provider.kind, "Is the server running there, and does it listen on the network?")
    if target.base_url != provider.base_url:
        return _own_base_url(provider)
    return "Does this server reach the internet? Ask whoever runs it about DNS and firewall; proxies are not used."


def _no_tls(failure: Failure) -> str:
    url = urlsplit(failure.target.base_url)
    if "certificate" in failure.error.message:
        return f"The server needs a certificate that is valid, made for {url.hostname}, and signed by an authority known here."
    if failure.provider.place == "cloud":
        return f"What answers there does not speak TLS. {_own_base_url(failure.provider)}"
    return f"The server probably speaks plain http: try http://{url.netloc}{url.path}"


def _own_base_url(provider: Provider) -> str:
    if not provider.base_url:
        return f"A base URL of {provider.label} looks like {provider.base_url_example}"
    return f"{provider.label}'s own base URL is {provider.base_url}"


def _slow(failure: Failure) -> str:
    if failure.step in ("network", "auth", "models"):  # no model was asked yet
        return "The server takes connections and does not answer: look at its log, then test once more."
    if failure.provider.place == "own":
        return "The model may still be loading: test once more in a minute."
    return "Test once more in a minute."


def _bad_key(failure: Failure) -> str:
    provider = failure.provider
    if provider.place == "demo":
        return "This model plays a refused key: choose another preferred model."
    if failure.target.api_key is None:
        return "The server asks for a key: enter the one that it was started with."
    text = "The key was mistyped or revoked, or belongs to another project."
    return f"{text} Make a new one at {provider.key_url}" if provider.key_url else text


def _not_allowed(failure: Failure) -> str:
    url = failure.provider.key_url
    said = f"{failure.error.code} {failure.error.message}".lower()
    if failure.provider.kind == "ollama" and failure.target.api_key is None:
        return (
            "Ollama refuses callers that it does not know: start it with OLLAMA_HOST=0.0.0.0:11434, and where a proxy stands "
            "before it with OLLAMA_ORIGINS=* too."
        )
    if _REGION.search(said):
        return (
            f"{failure.provider.label} does not serve the country that this server is in: run this app elsewhere, or choose "
            "another provider."
        )
    return f"The key is known but may not do this: check its permissions, its project and the region{f' at {url}' if url else ''}"


def _no_credit(failure: Failure) -> str:
    url = failure.provider.billing_url
    return f"The account is out of credit. Add some {f'at {url}' if url else 'with whoever runs this server'}"


def _rate_limited(failure: Failure) -> str:
    seconds = failure.error.retry_after
    return (
        f"The key works. Wait {f'{seconds:.0f} s' if seconds else 'a minute'}, or ask the provider for a higher limit."
    )


def _not_theirs(failure: Failure) -> str:
    return "This is the provider's own trouble. Executions go to the next credential meanwhile."


def _no_model(failure: Failure) -> str:
    model, kind = failure.target.model, failure.provider.kind
    if not model:
        return _GET_ANY.get(kind, "Choose the preferred model.")
    if model in failure.models:
        return (
            f"{model} is listed, but this key may not use it: give its project access to it, or choose another model."
        )
    if kind in _GET_MODEL:
        return _with_models(_GET_MODEL[kind].format(model=model), failure.models)
    return _with_models(f"This account has no model {model}: choose another preferred model.", failure.models)


def _not_an_api(failure: Failure) -> str:
    provider = failure.provider
    api = "an OpenAI-compatible API" if provider.kind == "openai_compatible" else f"{provider.label}'s API"
    what = f"What answers there is not {api} but a web page, a proxy or another server."
    advice = _wrong_path(failure)
    return what if advice in failure.error.message else f"{what} {advice}"


def _no_json_mode(failure: Failure) -> str:
    text = (
        "The server refuses JSON mode (response_format), whatever the model. Prompt templates with JSON output cannot run with "
        "it: update the server, or save it as it is for texts."
    )
    if failure.provider.kind == "openai_compatible" and "json_schema" in failure.error.message:
        text += " If it is LM Studio, add it as LM Studio: what that refuses is not asked of it."
    return text


def _refused(failure: Failure) -> str:
    if failure.step == "auth":
        return "The server refused to list its models, which tells nothing of the key: check the base URL and what Advanced sets."
    if not failure.target.model:
        return _with_models("Choose the preferred model.", failure.models)
    return "The key works, but the request was refused: check the preferred model and the advanced settings."


def _wrong_path(failure: Failure) -> str:
    """Say what the base URL should be: a path too much, `/v1` missing or doubled, or simply the provider's own."""
    provider, url = failure.provider, urlsplit(failure.target.base_url)
    if provider.api_versions:
        return azure_base_url(failure.target.base_url)
    path = url.path.rstrip("/")
    called = urlsplit(provider.dialect_for(failure.target.settings).models_request(failure.target).url).path
    better = _better_path(path, with_version=called.removeprefix(path) == "/models")
    sentences = []
    if better != path:
        what = "/v1 may be missing" if better.startswith(path) else f"{path} is not what a base URL ends in"
        sentences.append(f"{what}: try {url.scheme}://{url.netloc}{better}")
    if provider.place == "cloud" and failure.target.base_url != provider.base_url:
        sentences.append(_own_base_url(provider))
    return " · ".join(sentences) or "Check the base URL."


def azure_base_url(typed: str) -> str:
    """Say what to type where somebody has typed this as Azure's base URL: its pages show whole addresses of calls to copy."""
    url = urlsplit(typed)
    deployment = re.search(r"/deployments/([^/]+)", url.path)
    version = parse_qs(url.query).get("api-version", [""])[0]
    if url.path.rstrip("/") in _AZURE_PATHS and not url.query:
        return (
            f"Check the name of the resource, and the API version under Advanced. {_own_base_url(PROVIDERS['azure'])}"
        )
    text = f"Azure OpenAI wants the bare host: try {url.scheme}://{url.netloc}"
    more = [f"the preferred model {unquote(deployment[1])}"] if deployment else []
    more += [f"the API version {version} under Advanced"] if version else []
    return f"{text} with {' and '.join(more)}" if more else text


def _better_path(path: str, *, with_version: bool) -> str:
    bare = re.sub(r"(/v1)+$", "", _ENDPOINT.sub("", path))
    if not with_version:
        return bare
    return path if re.search(r"/v[0-9]+(beta)?$", path) and path.count("/v1") < 2 else f"{bare}/v1"


def _with_models(text: str, models: Sequence[str]) -> str:
    if not models:
        return text
    more = f" and {len(models) - SHOWN_MODELS} more" if len(models) > SHOWN_MODELS else ""
    return f"{text if text.endswith('.') else f'{text}.'} Found there: {', '.join(models[:SHOWN_MODELS])}{more}."


# A completion was answered a moment before: the address, the key and the model are right.
_OWN_ADVICE: Mapping[str, str] = {
    "stream": (
        "The same model answered when it was not asked to stream. A proxy on the way may hold streams back or cut them (nginx: "
        "proxy_buffering off). Until that is mended, switch Stream answers off under Advanced."
    ),
    "json": (
        "Everything but JSON works. Prompt templates with JSON output need a model that keeps to it: choose another preferred "
        "model, or save it as it is for texts."
    ),
}

_ADVICE: Mapping[str, Callable[[Failure], str]] = {
    "network": _unreachable,
    "blocked_address": _unreachable,
    "timeout": _slow,
    "auth": _bad_key,
    "permission": _not_allowed,
    "quota": _no_credit,
    "rate_limit": _rate_limited,
    "overloaded": _not_theirs,
    "server": _not_theirs,
    "model_not_found": _no_model,
    "bad_response": _not_an_api,
    "too_large": _not_an_api,
    "bad_request": _refused,
}
