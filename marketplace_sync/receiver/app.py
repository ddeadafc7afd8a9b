"""The receiver as an ASGI application.

    POST /webhooks/<connection>    a vendor's delivery
    GET  /health                   200 when the ledger answers
    GET  /metrics                  Prometheus text

A delivery is answered only after it is stored; the same delivery again is answered and stored once. Nothing of a body
is parsed before its signature is found right.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import anyio.to_thread
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from marketplace_sync.connectors.ports import ForgedWebhook, WebhookSource
from marketplace_sync.domain.errors import LedgerError, TransportError
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows import subscribe
from marketplace_sync.ledger import inbox, work_items
from marketplace_sync.ledger.database import is_unavailable
from marketplace_sync.project import Project

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes. No vendor's delivery comes near; more is not read."""

_log = structlog.get_logger()


class _Numbers:
    """What is counted, for operators' own monitoring."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.deliveries = Counter(
            "marketplace_sync_webhooks", "Deliveries by outcome", ["connection", "outcome"], registry=self.registry
        )
        self.seconds = Histogram(
            "marketplace_sync_webhook_seconds",
            "Seconds from the first byte of a delivery to its answer",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self.registry,
        )


def build(project: Project) -> Starlette:
    """The application for one installation; it closes the project when it stops."""
    numbers = _Numbers()

    async def receive(request: Request) -> Response:
        with numbers.seconds.time():
            name = request.path_params["connection"]
            outcome, answer = await _receive(project, name, request)
            known = name if name in project.configuration.connections else "unknown"
            numbers.deliveries.labels(known, outcome).inc()
            return answer

    async def health(_: Request) -> Response:
        try:
            await anyio.to_thread.run_sync(_ask_ledger, project)
        except (LedgerError, SQLAlchemyError):
            return JSONResponse({"ledger": "does not answer"}, status_code=503)
        return JSONResponse({"ledger": "answers"})

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(numbers.registry), media_type=CONTENT_TYPE_LATEST)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        asking = asyncio.create_task(_keep_asking(project))
        yield
        asking.cancel()
        project.close()

    return Starlette(
        routes=[
            Route("/webhooks/{connection}", receive, methods=["POST"]),
            Route("/health", health),
            Route("/metrics", metrics),
        ],
        lifespan=lifespan,
    )


async def _keep_asking(project: Project) -> None:
    """Ask stores and marketplaces to deliver here, until each has agreed; after that the hourly asset keeps it so."""
    receiver = subscribe.receiver_url()
    if receiver is None:
        return
    asked = [project.context.stores, project.context.marketplaces]
    left = {name for group in asked for name in group if isinstance(group[name], WebhookSource)}
    while left:
        for name in sorted(left):
            try:
                await anyio.to_thread.run_sync(subscribe.subscribe, project.context, name, receiver)
                left.discard(name)
            except (TransportError, LedgerError, SQLAlchemyError) as problem:
                _log.warning("webhooks not subscribed yet", connection=name, reason=str(problem))
        await asyncio.sleep(5 if left else 0)


async def _receive(project: Project, name: str, request: Request) -> tuple[str, Response]:
    source = project.context.stores.get(name) or project.context.marketplaces.get(name)
    if not isinstance(source, WebhookSource):
        return "unknown", PlainTextResponse("no such connection receives webhooks", status_code=404)
    try:
        body = await _body(request)
    except ClientDisconnect:
        return "incomplete", PlainTextResponse("the body did not arrive", status_code=400)
    if body is None:
        return "too_large", PlainTextResponse("the body is too large", status_code=project.webhook_refusal(name, 413))
    try:
        delivery = source.verify({key.lower(): value for key, value in request.headers.items()}, body)
    except ForgedWebhook:
        _log.warning("webhook refused", connection=name, reason="its signature does not fit", bytes=len(body))
        return await _refuse(project, name)
    try:
        new = await anyio.to_thread.run_sync(_store, project, name, delivery.delivery_id, delivery.topic, body)
    except Exception as problem:
        if not isinstance(problem, LedgerError | SQLAlchemyError) and not is_unavailable(problem):
            raise
        # not stored, so not accepted: the vendor keeps it and comes again
        _log.error("webhook not stored", connection=name, topic=delivery.topic, reason="the ledger does not answer")
        return "not_stored", PlainTextResponse("come again", status_code=503)
    return ("stored" if new else "repeated"), Response(status_code=200)


async def _refuse(project: Project, name: str) -> tuple[str, Response]:
    """A vendor that may not be told that its delivery was refused will never come to say so: a person is told."""
    status = project.webhook_refusal(name, 401)
    if status < 400:
        try:
            await anyio.to_thread.run_sync(_show_forged, project, name)
        except (LedgerError, SQLAlchemyError):
            return "not_stored", PlainTextResponse("come again", status_code=503)
    return "forged", PlainTextResponse("the signature does not fit", status_code=status)


async def _body(request: Request) -> bytes | None:
    """The exact bytes; None when there are too many."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > LARGEST_BODY:
            return None
    return bytes(found)


def _store(project: Project, name: str, delivery_id: str, topic: str, body: bytes) -> bool:
    with project.ledger.begin() as connection:
        if project.webhook_refusal(name, 401) < 400:
            work_items.close(connection, ["FORGED_WEBHOOK"], [name], "a delivery carried the right signature")
        return inbox.receive(connection, name, delivery_id, topic, body)


def _show_forged(project: Project, name: str) -> None:
    problem = Problem(
        code="FORGED_WEBHOOK",
        subject=name,
        connection=name,
        message=f"A delivery for {name} carried no signature that fits any of its webhook_secrets. It was answered as"
        " if it were taken, or the vendor would stop delivering, and nothing of it was kept. Polling covers what it may"
        " have been about.",
        evidence={"setting": f"connections.{name}.webhook_secrets"},
    )
    with project.ledger.begin() as connection:
        work_items.report(connection, [problem])


def _ask_ledger(project: Project) -> None:
    with project.ledger.begin() as connection:
        connection.execute(text("SELECT 1"))
