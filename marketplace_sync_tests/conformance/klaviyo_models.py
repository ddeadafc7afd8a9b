"""The vendor's own request models, made strict: by themselves they drop what they do not know without a word."""

from __future__ import annotations

import importlib
import typing
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel

MODELS = {
    "/api/events": ("event_create_query_v2", "EventCreateQueryV2"),
    "/api/event-bulk-create-jobs": ("events_bulk_create_job", "EventsBulkCreateJob"),
    "/api/profile-import": ("profile_upsert_query", "ProfileUpsertQuery"),
    "/api/profile-bulk-import-jobs": ("profile_import_job_create_query", "ProfileImportJobCreateQuery"),
    "/api/profile-subscription-bulk-create-jobs": (
        "subscription_create_job_create_query",
        "SubscriptionCreateJobCreateQuery",
    ),
    "/api/profile-subscription-bulk-delete-jobs": (
        "subscription_delete_job_create_query",
        "SubscriptionDeleteJobCreateQuery",
    ),
    "/api/metric-aggregates": ("metric_aggregate_query", "MetricAggregateQuery"),
}
"""Path of a POST -> module and class of what it takes."""


def model(path: str) -> type[BaseModel]:
    module, name = MODELS[path]
    found: type[BaseModel] = getattr(importlib.import_module(f"openapi_client.models.{module}"), name)
    return found


@contextmanager
def strict(path: str) -> Iterator[type[BaseModel]]:
    """The model of what a POST to `path` takes, refusing unknown members in all of its parts; as before afterwards."""
    root = model(path)
    classes = list(dict.fromkeys(_parts(root)))
    before = [one.model_config.get("extra") for one in classes]
    try:
        for one in classes:
            one.model_config["extra"] = "forbid"
        _rebuild(classes)
        yield root
    finally:
        for one, extra in zip(classes, before, strict=True):
            one.model_config["extra"] = extra
        _rebuild(classes)


def _rebuild(classes: list[type[BaseModel]]) -> None:
    for _ in range(2):
        for one in reversed(classes):
            one.model_rebuild(force=True)


def _parts(root: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and all models it is made of, the outer ones first."""
    seen: set[type[BaseModel]] = set()
    waiting = [root]
    while waiting:
        one = waiting.pop(0)
        if one in seen:
            continue
        seen.add(one)
        yield one
        for field in one.model_fields.values():
            waiting.extend(_models_in(field.annotation))


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models_in(part)
