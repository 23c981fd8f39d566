"""The HTTP application: health, metrics, a JSON API that only reads, and the page."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.types import Receive, Scope, Send

from consumers.holding import muted_by
from consumers.notify import wording
from daemon import history_words
from daemon.errors import Unavailable
from daemon.health import Health
from daemon.status import Status, ago
from daemon.store.alert_cards import AlertCard
from daemon.store.alert_pages import AlertPage
from daemon.store.overview import ChannelLine, FeedLine, TopicLine
from daemon.web.slack import SlackEndpoint, add_slack, is_slack
from daemon.web.views import Views, segments

_HERE = Path(__file__).parent
_FEEDS_SHOWN = 40  # on the page; all of them are in the API

# No script, style, picture, form or frame from anywhere else, and nothing inline: text from a feed can do nothing here.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


Lag = Callable[[], Mapping[tuple[str, str], int]]


def make_app(
    health: Health, registry: CollectorRegistry, views: Views, lag: Lag = dict, slack: SlackEndpoint | None = None
) -> FastAPI:
    """For a loopback address: requests whose Host names anything else are refused, but for Slack's signed ones.

    ``lag`` is told in ``/readyz``: by (stream, group), how many records are yet to be done.
    """
    app = FastAPI(title="Wirewatch", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    _guard(app, slack is not None)
    if slack is not None:
        add_slack(app, slack)
    _watch(app, health, registry, lag)
    _api(app, views)
    _pages(app, health, views)
    app.mount("/static", StaticFiles(directory=_HERE / "static"))
    return app


class Front:
    """Answers with the ``app`` that it has now: health alone while the store and the log are awaited, then the page."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def make_health_app(health: Health, registry: CollectorRegistry, lag: Lag = dict) -> FastAPI:
    """For a process without the page: no article, no alert, and so any address. Orchestrators ask by the pod's."""
    app = FastAPI(title="Wirewatch", docs_url=None, redoc_url=None, openapi_url=None)
    _watch(app, health, registry, lag)
    return app


def is_local(host: str) -> bool:
    """Whether a Host header names this machine's loopback.

    A page on the web can point a name of its own at 127.0.0.1 (DNS rebinding) and would then read ours as its own;
    the browser still sends that name.
    """
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    name = name.strip("[]").lower().rstrip(".")
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _guard(app: FastAPI, slack: bool) -> None:
    @app.middleware("http")
    async def guard(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        signed = slack and is_slack(request.scope["path"])  # request.url is made of the Host that was sent
        if signed or is_local(request.headers.get("host", "")):
            response = await call(request)
        else:
            response = JSONResponse({"error": "ask for this page by its loopback address"}, status_code=421)
        for name, value in _HEADERS.items():
            response.headers[name] = value
        return response

    @app.exception_handler(Unavailable)
    async def unavailable(_request: Request, error: Unavailable) -> Response:
        return JSONResponse({"error": str(error)}, status_code=503, headers={"Retry-After": "2"})


def _watch(app: FastAPI, health: Health, registry: CollectorRegistry, lag: Lag) -> None:
    @app.get("/healthz")
    async def healthz() -> Response:
        """200 while every role's loop turns; 503 names those that hang."""
        alive, silent = health.alive()
        body = {"alive": alive, "silent": [{"part": s.name, "seconds": round(s.seconds)} for s in silent]}
        return JSONResponse(body, status_code=200 if alive else 503)

    @app.get("/readyz")
    async def readyz() -> Response:
        """200 while every part does what the files ask for; 503 names those that do not, and why."""
        ready, parts = health.ready()
        waiting = [{"part": p.name, "why": p.why, "since": p.since} for p in parts if not p.ready]
        behind = [{"stream": stream, "group": group, "records": n} for (stream, group), n in sorted(lag().items()) if n]
        body = {"ready": ready, "not_ready": waiting, "behind": behind, "parts": {p.name: p.ready for p in parts}}
        return JSONResponse(body, status_code=200 if ready else 503)

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _api(app: FastAPI, views: Views) -> None:
    @app.get("/api/status")
    def status() -> Status:
        return views.status()

    @app.get("/api/alerts")
    def alerts(
        limit: Annotated[int, Query(ge=1, le=500)] = 50, topic: str = "", before: float | None = None
    ) -> list[AlertCard]:
        return list(views.alerts(limit=limit, topic_id=topic, before=before))

    @app.get("/api/alerts/{alert_id}")
    def alert(alert_id: str) -> AlertPage:
        return _found(views, alert_id)

    @app.get("/api/topics")
    def topics() -> list[TopicLine]:
        return list(views.topics())

    @app.get("/api/feeds")
    def feeds() -> list[FeedLine]:
        return list(views.feeds())

    @app.get("/api/channels")
    def channels() -> list[ChannelLine]:
        return list(views.channels())


def _pages(app: FastAPI, health: Health, views: Views) -> None:
    pages = Jinja2Templates(env=_environment())

    def shown(request: Request, name: str, **values: Any) -> Response:
        return pages.TemplateResponse(request, name, {"now": views.now, **values})

    @app.get("/", response_class=HTMLResponse)
    def overview(request: Request, topic: str = "") -> Response:
        ready, parts = health.ready()
        status = views.status()
        errors = views.config_errors(parts, status.workers)
        feeds = views.feeds(limit=_FEEDS_SHOWN)
        topics = views.topics()
        return shown(
            request,
            "overview.html",
            status=status,
            ready=ready and all(worker.ready for worker in status.workers),
            waiting=[part for part in parts if not part.ready and part not in errors],
            config_errors=errors,
            alerts=views.alerts(limit=30, topic_id=topic),
            stories_waiting=views.waiting(topics, limit=10, topic_id=topic),
            topics=topics,
            chosen=topic,
            channels=views.channels(),
            feeds=feeds,
            feeds_left=max(0, status.kept.feeds - len(feeds)),
        )

    @app.get("/alerts/{alert_id}", response_class=HTMLResponse)
    def one_alert(request: Request, alert_id: str) -> Response:
        return shown(request, "alert.html", alert=_found(views, alert_id))


def _found(views: Views, alert_id: str) -> AlertPage:
    alert = views.alert(alert_id)
    if alert is None:
        raise HTTPException(404, "there is no such alert")
    return alert


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(ago=ago, clock=_clock, iso=_iso, many=lambda n: f"{n:,}")
    environment.globals.update(segments=segments, static=_static_version(), words=history_words, wording=wording)
    environment.globals.update(clock=_clock, muted_by=muted_by)
    return environment


def _clock(at: float) -> str:
    return _moment(at).strftime("%-d %b %H:%M UTC")


def _iso(at: float) -> str:
    return _moment(at).isoformat(timespec="seconds")


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(min(max(at, 0.0), 253402300799.0), UTC)


def _static_version() -> str:
    """Part of the static files' addresses: a new version of Wirewatch is never shown with old styles."""
    content = b"".join(path.read_bytes() for path in sorted((_HERE / "static").iterdir()))
    return hashlib.blake2b(content, digest_size=6).hexdigest()
