"""The application for any WSGI server, such as `gunicorn wsgi:app`; `aiapp web` does without."""

from __future__ import annotations

from aiapp import create_app

app = create_app()
