"""``/login``: a cookie for who shows the token; ``/logout`` takes it away."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from slo_engine.web.access import COOKIE, LOGIN, SESSION_SECONDS
from slo_engine.web.pages import forms
from slo_engine.web.pages.rendering import ENVIRONMENT
from slo_engine.web.services import NeedsServices

router = APIRouter()

_LONGEST: Final = 2000


@router.get(LOGIN, include_in_schema=False)
def login_page(services: NeedsServices, next: str = "/") -> Response:  # noqa: A002 - of the URL
    """The form."""
    if services.access.token is None:
        return RedirectResponse("/", status_code=303)
    return _form(next, is_wrong=False)


@router.post(LOGIN, include_in_schema=False)
async def login(request: Request, services: NeedsServices) -> Response:
    """The cookie, and the page that was asked for."""
    form = await forms.read(request)
    target = _inside(form.get("next", "/"))
    if not services.access.opens(form.get("token", "")):
        return _form(target, is_wrong=True, status_code=403)
    done = RedirectResponse(target, status_code=303)
    is_secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
    done.set_cookie(
        COOKIE,
        services.access.session(),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",  # links of notifications lead here; what acts is guarded by `forms.read`
        secure=is_secure,
    )
    return done


@router.post("/logout", include_in_schema=False)
async def logout(request: Request) -> Response:
    """Without the cookie."""
    await forms.read(request)
    done = RedirectResponse("/", status_code=303)
    done.delete_cookie(COOKIE)
    return done


def _form(target: str, *, is_wrong: bool, status_code: int = 200) -> Response:
    html = ENVIRONMENT.get_template("login.html.j2").render(next=_inside(target), is_wrong=is_wrong)
    return HTMLResponse(html, status_code=status_code)


def _inside(target: str) -> str:
    """A path of this engine, and of nobody else's."""
    is_ours = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target[:_LONGEST] if is_ours else "/"
