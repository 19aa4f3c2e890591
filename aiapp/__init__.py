"""aiapp: prompt templates, credentials and executions for teams."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_openapi3.openapi import OpenAPI

    from aiapp.config import Settings


def create_app(settings: Settings | None = None) -> OpenAPI:
    """Return the application.

    Everything is imported here and not above: `import aiapp.config` must stay cheap for the processes that only watch others.

    Arguments:
        settings: default: read from the environment (raises ConfigError).
    """
    from importlib.metadata import version

    from flask_openapi3.models.info import Info
    from flask_openapi3.models.server import Server
    from flask_openapi3.openapi import OpenAPI

    from aiapp import config, error_handlers, extensions, filters, headers
    from aiapp.api.views import invalid
    from aiapp.observability import logs

    settings = settings or config.load()
    logs.configure(settings.log_level)
    app = OpenAPI(
        __name__,
        info=Info(title="aiapp", version=version("aiapp")),
        servers=[Server(url="/")],
        security_schemes={"token": {"type": "http", "scheme": "bearer"}},
        validation_error_callback=invalid,
        doc_ui=False,  # our own page lists the API: the plug-ins' pages need inline scripts
    )
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=settings.max_request_bytes,
        MAX_FORM_MEMORY_SIZE=settings.max_request_bytes,
        SESSION_COOKIE_NAME="aiapp_session",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=bool(settings.base_url and settings.base_url.startswith("https://")),
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session: a form left open over lunch loses nothing
        WTF_CSRF_SSL_STRICT=True,
        RATELIMIT_STORAGE_URI=settings.redis_url.replace("unix://", "redis+unix://"),
        RATELIMIT_STORAGE_OPTIONS={"socket_connect_timeout": 1, "socket_timeout": 1},
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,  # without Redis each web process counts for itself
    )
    if settings.demo:  # its password is public: no other site's name may lead here (DNS rebinding)
        app.config["TRUSTED_HOSTS"] = ["localhost", "127.0.0.1", "[::1]", settings.host]
    app.url_map.converters["id"] = headers.IdConverter
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    for part in (error_handlers, headers, filters):
        part.init_app(app)
    extensions.init_app(app, settings)
    _register_blueprints(app)
    if settings.trusted_proxies:
        app.wsgi_app = headers.TrustedProxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    return app


def _register_blueprints(app: OpenAPI) -> None:
    from aiapp import extensions, health, models  # noqa: F401 - every process has every table
    from aiapp.accounts import views as accounts
    from aiapp.api import execution_files
    from aiapp.api import views as api
    from aiapp.batches import views as batches
    from aiapp.credentials import views as credentials
    from aiapp.executions.pages import views as executions
    from aiapp.feedback import views as feedback
    from aiapp.home import views as home
    from aiapp.installation import views as installation
    from aiapp.operations import views as operations
    from aiapp.prompt_files import views as prompt_files
    from aiapp.prompt_templates.pages import public_views as previews
    from aiapp.prompt_templates.pages import publishing_settings_views as publishing
    from aiapp.prompt_templates.pages import tag_views as tags
    from aiapp.prompt_templates.pages import views as prompt_templates
    from aiapp.retention import views as retention
    from aiapp.webhooks import views as webhooks
    from aiapp.workspaces import views as workspaces

    features = (
        health,
        accounts,
        workspaces,
        installation,
        credentials,
        webhooks,
        prompt_templates,
        prompt_files,
        tags,
        publishing,
        previews,
        executions,
        execution_files,
        batches,
        feedback,
        retention,
        operations,
        home,
    )
    for feature in features:
        app.register_blueprint(feature.blueprint)
    app.register_api(api.blueprint)
    for part in api.PARTS:
        extensions.csrf.exempt(part)  # a bearer token is never sent by a browser on its own
