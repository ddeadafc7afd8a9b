"""The endpoints there are, as data: quotas, scopes, filters, sorting, paging, and which handler answers.

Written by hand from the vendor's published reference (revision 2026-07-15); a conformance test compares it with the
vendor's machine-readable description where that is at hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from marketplace_sync.sandbox.klaviyo.filters import Allowed
from marketplace_sync.sandbox.klaviyo.rates import Limits

TIERS = {
    "XS": Limits(1, 15),
    "S": Limits(3, 60),
    "M": Limits(10, 150),
    "L": Limits(75, 750),
    "XL": Limits(350, 3500),
}
"""The vendor's named rate limits: requests per second and per minute."""

MEGABYTE, KILOBYTE = 1_000_000, 1_000
BULK_BODY, PROFILE_BODY = 5 * MEGABYTE, 100 * KILOBYTE


@dataclass(frozen=True)
class Operation:
    """One method on one path."""

    method: str
    path: str
    limits: Limits
    handler: str
    """`<area>.<method>` of the account."""
    scopes: tuple[str, ...]
    filters: Allowed = field(default_factory=dict)
    sort: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    page_size: tuple[int, int] | None = None
    """(default, largest), where `page[size]` may be given."""
    paged: bool = False
    additional: tuple[str, ...] = ()
    """What `additional-fields[...]` of the operation's own resource may name."""
    body_limit: int = BULK_BODY

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"


def op(
    line: str,
    tier: str,
    handler: str,
    scopes: str,
    filters: Allowed | None = None,
    *,
    sort: str = "",
    include: str = "",
    page: tuple[int, int] | None = None,
    paged: bool = False,
    additional: str = "",
    daily: int | None = None,
    body_limit: int = BULK_BODY,
) -> Operation:
    """A row of the table, written short. `sort` names ascending keys; each may be reversed with a minus."""
    method, path = line.split(" ")
    limits = TIERS[tier] if daily is None else Limits(TIERS[tier].burst, TIERS[tier].steady, daily)
    keys = tuple(sign + key for key in sort.split() for sign in ("", "-"))
    return Operation(
        method, path, limits, handler, tuple(scopes.split()), filters or {}, keys, tuple(include.split()), page,
        paged or page is not None, tuple(additional.split()), body_limit,
    )  # fmt: skip


ORDER = "greater-or-equal greater-than less-or-equal less-than"
TEXT, TIME = "string", "date-time"

EVENT_FILTERS = {
    "metric_id": (TEXT, "equals"),
    "profile_id": (TEXT, "equals"),
    "profile": ("none", "has"),
    "metric": ("none", "has"),
    "datetime": (TIME, ORDER),
    "timestamp": ("number", ORDER),
}
_SUPPRESSION = "subscriptions.email.marketing.suppression"
_LIST_SUPPRESSION = "subscriptions.email.marketing.list_suppressions"
PROFILE_FILTERS = {
    **dict.fromkeys(("id", "email", "phone_number", "external_id"), (TEXT, "any equals")),
    "_kx": (TEXT, "equals"),
    "created": (TIME, "greater-than less-than"),
    "updated": (TIME, "greater-than less-than"),
    f"{_SUPPRESSION}.reason": (TEXT, "equals"),
    f"{_SUPPRESSION}.timestamp": (TIME, ORDER),
    f"{_LIST_SUPPRESSION}.reason": (TEXT, "equals"),
    f"{_LIST_SUPPRESSION}.timestamp": (TIME, ORDER),
    f"{_LIST_SUPPRESSION}.list_id": (TEXT, "equals"),
}
MEMBER_FILTERS = {
    **dict.fromkeys(("email", "phone_number", "push_token"), (TEXT, "any equals")),
    "_kx": (TEXT, "equals"),
    "joined_group_at": (TIME, ORDER),
}
SEGMENT_MEMBER_FILTERS = {"profile_id": (TEXT, "any equals"), **MEMBER_FILTERS}
LIST_FILTERS = {
    "name": (TEXT, "any equals"),
    "id": (TEXT, "any equals"),
    "created": (TIME, "greater-than"),
    "updated": (TIME, "greater-than"),
}
SEGMENT_FILTERS = {**LIST_FILTERS, "is_active": ("boolean", "any equals"), "is_starred": ("boolean", "equals")}
JOB_FILTERS = {"status": (TEXT, "equals")}
SUPPRESSION_JOB_FILTERS = {**JOB_FILTERS, "list_id": (TEXT, "equals"), "segment_id": (TEXT, "equals")}
IMPORT_JOB_FILTERS = {"status": (TEXT, "any equals")}
_PUBLISHED = {"title": (TEXT, "contains"), "published": ("boolean", "equals")}
ITEM_FILTERS = {"ids": (TEXT, "any"), "category.id": (TEXT, "equals"), **_PUBLISHED}
VARIANT_FILTERS = {"ids": (TEXT, "any"), "item.id": (TEXT, "equals"), "sku": (TEXT, "equals"), **_PUBLISHED}
CATEGORY_FILTERS = {"ids": (TEXT, "any"), "item.id": (TEXT, "equals"), "name": (TEXT, "contains")}
METRIC_FILTERS = {"integration.name": (TEXT, "equals"), "integration.category": (TEXT, "equals")}

MEMBERS = (20, 100)
GROUPS = (10, 10)
PROFILE_EXTRAS = "subscriptions predictive_analytics"
_IMPORT = "/api/profile-bulk-import-jobs"

CORE: tuple[Operation, ...] = (
    op("GET /api/accounts", "XS", "accounts.listed", "accounts:read"),
    op("GET /api/accounts/{id}", "XS", "accounts.one", "accounts:read"),
    op("POST /api/events", "XL", "events.create", "events:write"),
    op(
        "GET /api/events", "XL", "events.listed", "events:read", EVENT_FILTERS,
        sort="datetime timestamp", include="attributions metric profile", page=(200, 1000),
    ),
    op("GET /api/events/{id}", "M", "events.one", "events:read", include="attributions metric profile"),
    op("POST /api/event-bulk-create-jobs", "M", "events.create_many", "events:write"),
    op("GET /api/events/{id}/metric", "XL", "events.metric_of", "events:read metrics:read"),
    op("GET /api/events/{id}/relationships/metric", "XL", "events.metric_id_of", "events:read metrics:read"),
    op(
        "GET /api/events/{id}/profile", "XL", "events.profile_of", "events:read profiles:read",
        additional=PROFILE_EXTRAS,
    ),
    op("GET /api/events/{id}/relationships/profile", "XL", "events.profile_id_of", "events:read profiles:read"),
    op(
        "GET /api/metrics", "M", "metrics.listed", "metrics:read", METRIC_FILTERS,
        include="flow-triggers", paged=True,
    ),
    op("GET /api/metrics/{id}", "M", "metrics.one", "metrics:read", include="flow-triggers"),
    op("GET /api/metrics/{id}/flow-triggers", "M", "metrics.flows", "flows:read metrics:read"),
    op("GET /api/metrics/{id}/relationships/flow-triggers", "M", "metrics.flow_ids", "flows:read metrics:read"),
    op("GET /api/mapped-metrics", "S", "metrics.mapped", "metrics:read", include="custom-metric metric"),
    op("GET /api/mapped-metrics/{id}", "S", "metrics.mapped_one", "metrics:read", include="custom-metric metric"),
    op("PATCH /api/mapped-metrics/{id}", "XS", "metrics.map", "metrics:write", daily=30),
    op("POST /api/metric-aggregates", "S", "aggregates.query", "metrics:read"),
    op(
        "GET /api/profiles", "L", "profiles.listed", "profiles:read", PROFILE_FILTERS,
        sort=f"created email id {_LIST_SUPPRESSION}.timestamp {_SUPPRESSION}.timestamp updated",
        include="conversations push-tokens", page=MEMBERS, additional=PROFILE_EXTRAS,
    ),
    op(
        "POST /api/profiles", "L", "profiles.create", "profiles:write",
        additional=PROFILE_EXTRAS, body_limit=PROFILE_BODY,
    ),
    op(
        "GET /api/profiles/{id}", "L", "profiles.one", "profiles:read",
        include="conversations lists push-tokens segments", additional=PROFILE_EXTRAS,
    ),
    op(
        "PATCH /api/profiles/{id}", "L", "profiles.update", "profiles:write",
        additional=PROFILE_EXTRAS, body_limit=PROFILE_BODY,
    ),
    op("GET /api/profiles/{id}/lists", "S", "profiles.lists_of", "lists:read profiles:read"),
    op("GET /api/profiles/{id}/relationships/lists", "S", "profiles.list_ids_of", "lists:read profiles:read"),
    op("GET /api/profiles/{id}/segments", "S", "profiles.segments_of", "profiles:read segments:read"),
    op("GET /api/profiles/{id}/relationships/segments", "S", "profiles.segment_ids_of", "profiles:read segments:read"),
    op(
        "POST /api/profile-import", "L", "profiles.upsert", "profiles:write",
        additional=PROFILE_EXTRAS, body_limit=PROFILE_BODY,
    ),
    op("POST /api/profile-merge", "M", "profiles.merge", "profiles:write"),
    op("POST /api/data-privacy-deletion-jobs", "S", "profiles.forget", "data-privacy:write"),
    op(f"POST {_IMPORT}", "M", "imports.create", "lists:write profiles:write"),
    op(
        f"GET {_IMPORT}", "M", "imports.listed", "lists:read profiles:read", IMPORT_JOB_FILTERS,
        sort="created_at", page=MEMBERS,
    ),
    op(f"GET {_IMPORT}/{{job_id}}", "M", "imports.one", "lists:read profiles:read", include="lists"),
    op(f"GET {_IMPORT}/{{id}}/lists", "M", "imports.lists_of", "lists:read"),
    op(f"GET {_IMPORT}/{{id}}/relationships/lists", "M", "imports.list_ids_of", "lists:read"),
    op(
        f"GET {_IMPORT}/{{id}}/profiles", "M", "imports.profiles_of", "profiles:read",
        page=MEMBERS, additional=PROFILE_EXTRAS,
    ),
    op(f"GET {_IMPORT}/{{id}}/relationships/profiles", "M", "imports.profile_ids_of", "profiles:read", page=MEMBERS),
    op(f"GET {_IMPORT}/{{id}}/import-errors", "M", "imports.errors_of", "profiles:read", page=MEMBERS),
    op(
        "POST /api/profile-subscription-bulk-create-jobs", "L", "consent.subscribe",
        "lists:write profiles:write subscriptions:write",
    ),
    op(
        "POST /api/profile-subscription-bulk-delete-jobs", "L", "consent.unsubscribe",
        "lists:write profiles:write subscriptions:write",
    ),
    op("GET /api/lists", "L", "lists.listed", "lists:read", LIST_FILTERS,
       sort="created id name updated", include="flow-triggers tags", page=GROUPS),
    op("POST /api/lists", "M", "lists.create", "lists:write", daily=150),
    op("GET /api/lists/{id}", "L", "lists.one", "lists:read", include="flow-triggers tags", additional="profile_count"),
    op("PATCH /api/lists/{id}", "M", "lists.update", "lists:write"),
    op("DELETE /api/lists/{id}", "M", "lists.delete", "lists:write"),
    op("GET /api/lists/{id}/flow-triggers", "S", "lists.flows", "flows:read lists:read"),
    op("GET /api/lists/{id}/relationships/flow-triggers", "S", "lists.flow_ids", "flows:read lists:read"),
    op("GET /api/lists/{id}/profiles", "L", "lists.members", "lists:read profiles:read", MEMBER_FILTERS,
       sort="joined_group_at", page=MEMBERS, additional=PROFILE_EXTRAS),
    op("GET /api/lists/{id}/relationships/profiles", "L", "lists.member_ids", "lists:read profiles:read",
       MEMBER_FILTERS, sort="joined_group_at", page=MEMBERS),
    op("POST /api/lists/{id}/relationships/profiles", "M", "lists.add", "lists:write profiles:write"),
    op("DELETE /api/lists/{id}/relationships/profiles", "M", "lists.remove", "lists:write profiles:write"),
    op("GET /api/segments", "L", "segments.listed", "segments:read", SEGMENT_FILTERS,
       sort="created id name updated", include="flow-triggers tags", page=GROUPS),
    op("GET /api/segments/{id}", "L", "segments.one", "segments:read",
       include="flow-triggers tags", additional="profile_count"),
    op("GET /api/segments/{id}/profiles", "L", "segments.members", "profiles:read segments:read",
       SEGMENT_MEMBER_FILTERS, sort="joined_group_at", page=MEMBERS, additional=PROFILE_EXTRAS),
    op("GET /api/segments/{id}/relationships/profiles", "L", "segments.member_ids", "profiles:read segments:read",
       SEGMENT_MEMBER_FILTERS, sort="joined_group_at", page=MEMBERS),
    op("POST /api/back-in-stock-subscriptions", "XL", "stock.wait_for_stock", "catalogs:write profiles:write"),
)  # fmt: skip


def _suppression(action: str, scopes: str) -> list[Operation]:
    path, handler = f"/api/profile-suppression-bulk-{action}-jobs", f"suppressions.{action}"
    return [
        op(f"POST {path}", "L", handler, scopes),
        op(f"GET {path}", "L", f"{handler}_jobs", "subscriptions:read", SUPPRESSION_JOB_FILTERS,
           sort="created", paged=True),
        op(f"GET {path}/{{job_id}}", "L", f"{handler}_job", "subscriptions:read"),
    ]  # fmt: skip


def _catalog(kind: str, plural: str, filters: Allowed, include: str) -> list[Operation]:
    path, area, page = f"/api/catalog-{plural}", f"catalog_{plural}", (100, 100)
    read, write = "catalogs:read", "catalogs:write"
    found = [
        op(f"GET {path}", "XL", f"{area}.listed", read, filters, sort="created", include=include, page=page),
        op(f"POST {path}", "L", f"{area}.create", write),
        op(f"GET {path}/{{id}}", "XL", f"{area}.one", read, include=include),
        op(f"PATCH {path}/{{id}}", "L", f"{area}.update", write),
        op(f"DELETE {path}/{{id}}", "L", f"{area}.delete", write),
    ]
    for action in ("create", "update", "delete"):
        jobs, jobs_area = f"/api/catalog-{kind}-bulk-{action}-jobs", f"catalog_{kind}_{action}"
        reading = "XL" if action == "delete" or kind == "category" else "L"
        included = "" if action == "delete" else plural
        found += [
            op(f"POST {jobs}", "L", f"{jobs_area}.accept", write),
            op(f"GET {jobs}", reading, f"{jobs_area}.listed", read, JOB_FILTERS, paged=True),
            op(f"GET {jobs}/{{job_id}}", reading, f"{jobs_area}.one", read, include=included),
        ]
    return found


def _catalog_relations() -> list[Operation]:
    items, categories = "/api/catalog-items/{id}", "/api/catalog-categories/{id}"
    page = (100, 100)
    found = [
        op(f"GET {items}/variants", "XL", "catalog_items.variants_of", "catalogs:read", VARIANT_FILTERS,
           sort="created", page=page),
        op(f"GET {items}/relationships/variants", "XL", "catalog_items.variant_ids_of", "catalogs:read",
           VARIANT_FILTERS, sort="created", page=page),
        op(f"GET {items}/categories", "XL", "catalog_items.categories_of", "catalogs:read", CATEGORY_FILTERS,
           sort="created", page=page),
        op(f"GET {items}/relationships/categories", "XL", "catalog_items.category_ids_of", "catalogs:read",
           CATEGORY_FILTERS, sort="created", page=page),
        op(f"GET {categories}/items", "XL", "catalog_categories.items_of", "catalogs:read", ITEM_FILTERS,
           sort="created", include="variants", page=page),
        op(f"GET {categories}/relationships/items", "XL", "catalog_categories.item_ids_of", "catalogs:read",
           ITEM_FILTERS, sort="created", page=page),
    ]  # fmt: skip
    for path, area in ((items, "catalog_items"), (categories, "catalog_categories")):
        other = "categories" if area == "catalog_items" else "items"
        for method, verb in (("POST", "join"), ("PATCH", "set"), ("DELETE", "part")):
            found.append(op(f"{method} {path}/relationships/{other}", "L", f"{area}.{verb}_{other}", "catalogs:write"))
    return found


OPERATIONS: tuple[Operation, ...] = (
    *CORE,
    *_suppression("create", "profiles:write subscriptions:write"),
    *_suppression("delete", "subscriptions:write"),
    *_catalog("item", "items", ITEM_FILTERS, "variants"),
    *_catalog("variant", "variants", VARIANT_FILTERS, ""),
    *_catalog("category", "categories", CATEGORY_FILTERS, ""),
    *_catalog_relations(),
)

EXPENSIVE: dict[tuple[str, str, str], Limits] = {
    ("GET /api/profiles", "additional-fields[profile]", "predictive_analytics"): TIERS["M"],
    ("GET /api/lists/{id}/profiles", "additional-fields[profile]", "predictive_analytics"): TIERS["M"],
    ("GET /api/profiles/{id}", "include", "lists"): TIERS["XS"],
    ("GET /api/profiles/{id}", "include", "segments"): TIERS["XS"],
    ("GET /api/lists/{id}", "additional-fields[list]", "profile_count"): TIERS["XS"],
    ("GET /api/segments/{id}", "additional-fields[segment]", "profile_count"): TIERS["XS"],
}
"""(operation, parameter, value): the lower limits that asking for something costly brings with it."""
