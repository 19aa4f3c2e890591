"""Pages of one's own account: sign in and out, reset the password, profile, theme."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, g, make_response, redirect, render_template, request, session, url_for
from flask_login import current_user, login_user, logout_user
from flask_wtf import FlaskForm
from flask_wtf.csrf import generate_csrf
from werkzeug.wrappers import Response as BaseResponse
from wtforms import EmailField, PasswordField, StringField
from wtforms.validators import InputRequired, Length

from aiapp import htmx
from aiapp.accounts import actions
from aiapp.accounts.models import User
from aiapp.errors import InvalidInput
from aiapp.extensions import client_address, limiter, login_manager, settings

blueprint = Blueprint("accounts", __name__)
THEMES = ("light", "dark", "system")
YEAR = 365 * 24 * 3600


class SignInForm(FlaskForm):
    """Who signs in."""

    email = EmailField("Email", [InputRequired("Type your email address."), Length(max=254)])
    password = PasswordField("Password", [InputRequired("Type your password.")])


class ResetForm(FlaskForm):
    """A new password by a link."""

    password = PasswordField("New password", [InputRequired("Type a new password.")])


class NameForm(FlaskForm):
    """The name that others see."""

    name = StringField("Name", [InputRequired("Type a name."), Length(max=100)])


class PasswordForm(FlaskForm):
    """A new password by the old one."""

    current_password = PasswordField("Current password", [InputRequired("Type your current password.")])
    new_password = PasswordField("New password", [InputRequired("Type a new password.")])


@login_manager.user_loader
def load_user(secret: str) -> User | None:
    """Return whose session the cookie names (Flask-Login's hook)."""
    user = actions.session_user(secret)
    if user is not None:
        user.session_secret = secret
    return user


def enter(user: User, secret: str) -> None:
    """Give this browser a fresh cookie for `user`: nothing of the session before it stays, its CSRF token included.

    The new token is in the very same cookie: several requests that follow at once would else each make one, and all but the
    last answer's would be refused.
    """
    session.clear()
    g.pop("csrf_token", None)  # Flask-WTF's memory of the one that is gone
    generate_csrf()
    user.session_secret = secret
    login_user(user)
    session.permanent = True


def local_path(target: str | None) -> str | None:
    """Return `target` where it is a path of this site, else None: nobody else decides where sign-in leads."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return None
    parts = urlsplit(target)
    plain = not parts.scheme and not parts.netloc and "\\" not in target and target.isprintable()
    return target if plain else None


def user_agent() -> str:
    """Return what the browser calls itself, shortened."""
    return request.headers.get("User-Agent", "")[:200]


def account_key() -> str:
    """Count by the account that is tried, whether it exists or not."""
    return "account:" + request.form.get("email", "").strip().lower()[:254]


def source_key() -> str:
    """Count by where the try comes from."""
    try:
        address = ipaddress.ip_address(client_address())
    except ValueError:  # a unix socket has none
        return "source:unknown"
    if address.version == 6:  # who has one address of a network has all of its /64
        return f"source:{ipaddress.ip_network((address, 64), strict=False)}"
    return f"source:{address}"


# Every try counts, good ones too: what is only counted after the answer can be overtaken by a hundred tries at once.
per_account = limiter.limit("10 per minute", key_func=account_key, methods=["POST"])
per_source = limiter.limit("30 per minute", key_func=source_key, methods=["POST"])


@blueprint.get("/login")
def login() -> BaseResponse | str:
    """Show the sign-in page."""
    if current_user.is_authenticated:
        return redirect(local_path(request.args.get("next")) or url_for("workspaces.root"))
    return render_template("accounts/login.html", form=SignInForm())


@blueprint.post("/login")
@per_account
@per_source
def sign_in() -> BaseResponse:
    """Sign in; one answer for an unknown address and a wrong password."""
    form = SignInForm()
    opened = None
    if form.validate():
        opened = actions.sign_in(
            form.email.data or "", form.password.data or "", ip=client_address(), user_agent=user_agent()
        )
    if opened is None:
        wrong = None if form.errors else "The email address or the password is wrong."
        return make_response(render_template("accounts/login.html", form=form, wrong=wrong), 422)
    enter(*opened)
    return redirect(local_path(request.form.get("next")) or url_for("workspaces.root"), 303)


@blueprint.post("/logout")
def logout() -> BaseResponse:
    """End this session here and on the server."""
    if current_user.is_authenticated:
        actions.sign_out(current_user, current_user.session_secret)
        logout_user()
    session.clear()
    return htmx.go(url_for("accounts.login"))


@blueprint.get("/reset")
def reset_help() -> str:
    """Say how a reset link is had: this server sends no mail, its administrator makes links."""
    return render_template("accounts/reset_help.html")


@blueprint.get("/reset/<secret>")
def reset(secret: str) -> BaseResponse:
    """Show the form behind a reset link."""
    user = actions.reset_user(secret)
    status = 200 if user else 404
    page = make_response(render_template("accounts/reset.html", form=ResetForm(), user=user, secret=secret), status)
    page.headers["Referrer-Policy"] = "no-referrer"
    page.headers["Cache-Control"] = "no-store"
    return page


@blueprint.post("/reset/<secret>")
@per_source
def set_password(secret: str) -> BaseResponse:
    """Set the password by a link."""
    form = ResetForm()
    user = actions.reset_user(secret)
    if form.validate():
        try:
            user = actions.finish_reset(secret, form.password.data or "")
        except InvalidInput as error:
            show_errors(form, error)
        else:
            if user is not None:
                return htmx.go(url_for("accounts.login"), "Your password is set. Sign in with it.")
    status = 422 if user else 404
    return make_response(render_template("accounts/reset.html", form=form, user=user, secret=secret), status)


@blueprint.get("/profile")
def profile() -> BaseResponse | str:
    """Show one's own account."""
    if not current_user.is_authenticated:
        return redirect(url_for("accounts.login", next=request.path), 303)
    return render_template("accounts/profile.html", name_form=NameForm(obj=current_user), password_form=PasswordForm())


@blueprint.post("/profile")
def rename() -> BaseResponse:
    """Change one's name."""
    if not current_user.is_authenticated:
        return htmx.go(url_for("accounts.login"))
    form = NameForm()
    if form.validate():
        actions.rename(current_user, form.name.data or "")
        return htmx.go(url_for("accounts.profile"), "Your name is saved.")
    page = render_template("accounts/profile.html", name_form=form, password_form=PasswordForm(formdata=None))
    return make_response(page, 422)


@blueprint.post("/profile/password")
@per_source
def change_password() -> BaseResponse:
    """Change one's password; every other session ends, this one gets a new id."""
    if not current_user.is_authenticated:
        return htmx.go(url_for("accounts.login"))
    form = PasswordForm()
    if form.validate():
        user: User = current_user._get_current_object()
        try:
            actions.change_password(user, form.current_password.data or "", form.new_password.data or "")
        except InvalidInput as error:
            show_errors(form, error)
        else:
            enter(user, actions.start_session(user, ip=client_address(), user_agent=user_agent()))
            return htmx.go(url_for("accounts.profile"), "Your password is changed. Other devices are signed out.")
    page = render_template(
        "accounts/profile.html", name_form=NameForm(formdata=None, obj=current_user), password_form=form
    )
    return make_response(page, 422)


@blueprint.post("/theme")
def theme() -> BaseResponse:
    """Keep the theme in a cookie; the server puts the class on the page."""
    wanted = request.form.get("theme", "")
    response = make_response(htmx.go(local_path(request.form.get("next")) or url_for("workspaces.root")))
    if wanted in THEMES:
        response.set_cookie("theme", wanted, max_age=YEAR, samesite="Lax", httponly=True, secure=request.is_secure)
    return response


def show_errors(form: FlaskForm, error: InvalidInput) -> None:
    """Put an action's field errors on the form's fields."""
    for item in error.errors:
        field = form._fields.get(item["field"])
        if field is not None:
            field.errors = [*field.errors, item["message"]]


@blueprint.app_context_processor
def shell() -> dict[str, Any]:
    """What every page's shell shows."""
    chosen = request.cookies.get("theme")
    return {
        "theme": chosen if chosen in THEMES else "system",
        "demo": settings().demo,
        "sign_up_open": settings().sign_up,
    }
