"""The vendor's own Python client, with its typed models, works against the simulation as against the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from klaviyo_api import KlaviyoAPI  # type: ignore[import-untyped]
from openapi_client.exceptions import ApiException, BadRequestException, NotFoundException, UnauthorizedException

from marketplace_sync_tests.sandbox.klaviyo_caller import KEY, Caller, Json, account, bulk, event, resource

PREFIX = "$custom:::$default:::"


@pytest.fixture
def caller() -> Iterator[Caller]:
    with account(rate_limits=False) as found:
        yield found


@pytest.fixture
def client(caller: Caller) -> Any:
    return KlaviyoAPI(KEY, test_host=caller.base_url, max_retries=1, max_delay=0.1)


def test_the_account_tells_that_it_is_a_test_account(client: Any) -> None:
    (found,) = client.Accounts.get_accounts().data
    assert found.attributes.test_account is True
    assert client.Accounts.get_account(found.id).data.attributes.preferred_currency == "GBP"


def test_events_go_in_one_by_one_and_in_bulk_and_are_read_back_over_pages(client: Any, caller: Caller) -> None:
    assert client.Events.create_event(event("A-1")) is None
    assert client.Events.create_event(event("A-1")) is None
    rows = [event(f"B-{number}", time=f"2026-11-01T00:00:{number:02}Z") for number in range(30)]
    assert client.Events.bulk_create_events(bulk(({"email": "kim@example.com"}, rows), backfill=True)) is None
    caller.settle()
    metric = caller.metric("Placed Order")
    options: Json = {"filter": f'equals(metric_id,"{metric}")', "page_size": 10, "sort": "datetime"}
    found: list[Any] = []
    cursor = None
    while True:
        page = client.Events.get_events(**options, **({"page_cursor": cursor} if cursor else {}))
        found += page.data
        if page.links.next is None:
            break
        cursor = parse_qs(urlsplit(page.links.next).query)["page[cursor]"][0]
    assert [one.attributes.event_properties["OrderId"] for one in found] == [*(f"B-{n}" for n in range(30)), "A-1"]
    assert [one["unique_id"] for one in caller.kept("flow_messages")] == ["A-1"]
    one = client.Events.get_event(found[0].id, include=["metric", "profile"])
    assert [included["type"] for included in one.included] == ["metric", "profile"]
    assert client.Events.get_metric_for_event(found[0].id).data.id == metric


def test_profiles_are_upserted_found_and_conflicts_are_told(client: Any) -> None:
    made = client.Profiles.create_or_update_profile(resource("profile", {"email": "kim@example.com"}))
    again = client.Profiles.create_or_update_profile(
        resource("profile", {"email": "kim@example.com", "first_name": "Kim", "location": {"city": "York"}})
    )
    assert made.data.id == again.data.id
    assert again.data.attributes.location.city == "York"
    with pytest.raises(ApiException) as problem:
        client.Profiles.create_profile(resource("profile", {"email": "kim@example.com"}))
    assert problem.value.status == 409
    assert made.data.id in str(problem.value.body)
    found = client.Profiles.get_profiles(
        additional_fields_profile=["subscriptions"], filter='equals(email,"kim@example.com")', page_size=5
    )
    assert [one.id for one in found.data] == [made.data.id]
    assert found.data[0].attributes.subscriptions.email.marketing.consent == "NEVER_SUBSCRIBED"
    with pytest.raises(NotFoundException):
        client.Profiles.get_profile("nothing")
    with pytest.raises(BadRequestException, match="phone number"):
        client.Profiles.create_profile(resource("profile", {"phone_number": "07700900123"}))


def test_a_bulk_import_is_followed_to_its_end(client: Any, caller: Caller) -> None:
    rows = [{"type": "profile", "attributes": {"email": f"p{number}@example.com"}} for number in range(3)]
    job = client.Profiles.bulk_import_profiles(resource("profile-bulk-import-job", {"profiles": {"data": rows}}))
    assert job.data.attributes.status == "queued"
    caller.settle()
    done = client.Profiles.get_bulk_import_profiles_job(job.data.id)
    assert (done.data.attributes.status, done.data.attributes.completed_count) == ("complete", 3)


def test_consent_is_given_taken_and_suppressed(client: Any, caller: Caller) -> None:
    def job(kind: str, consent: str) -> Json:
        given = {"email": "kim@example.com", "subscriptions": {"email": {"marketing": {"consent": consent}}}}
        profiles = {"profiles": {"data": [{"type": "profile", "attributes": given}]}}
        related = {"list": {"data": {"type": "list", "id": "SbxNws"}}}
        return resource(f"profile-subscription-bulk-{kind}-job", profiles, relationships=related)

    def state() -> tuple[str, bool]:
        (found,) = client.Profiles.get_profiles(additional_fields_profile=["subscriptions"]).data
        marketing = found.attributes.subscriptions.email.marketing
        return marketing.consent, marketing.can_receive_email_marketing

    assert client.Profiles.bulk_subscribe_profiles(job("create", "SUBSCRIBED")) is None
    caller.settle()
    assert state() == ("SUBSCRIBED", True)
    (member,) = client.Lists.get_profiles_for_list("SbxNws").data
    assert member.attributes.joined_group_at is not None
    profiles = {"profiles": {"data": [{"type": "profile", "attributes": {"email": "kim@example.com"}}]}}
    client.Profiles.bulk_suppress_profiles(resource("profile-suppression-bulk-create-job", profiles))
    caller.settle()
    assert state() == ("SUBSCRIBED", False)
    client.Profiles.bulk_unsuppress_profiles(resource("profile-suppression-bulk-delete-job", profiles))
    caller.settle()
    assert client.Profiles.bulk_unsubscribe_profiles(job("delete", "UNSUBSCRIBED")) is None
    caller.settle()
    (found,) = client.Profiles.get_profiles(additional_fields_profile=["subscriptions"]).data
    assert found.attributes.subscriptions.email.marketing.list_suppressions[0].list_id == "SbxNws"


def test_lists_and_segments_are_read(client: Any) -> None:
    made = client.Lists.create_list(resource("list", {"name": "Buyers", "opt_in_process": "single_opt_in"}))
    assert {one.attributes.name for one in client.Lists.get_lists().data} >= {"Buyers", "Newsletter"}
    assert client.Lists.get_list(made.data.id).data.attributes.opt_in_process == "single_opt_in"
    assert len(client.Segments.get_segments().data) == 2


def test_metrics_their_meaning_and_their_aggregates_are_read(client: Any, caller: Caller) -> None:
    for number in range(3):
        client.Events.create_event(event(f"A-{number}", value=10.1))
    caller.settle()
    shown = [(one.attributes, one.id) for one in client.Metrics.get_metrics().data]
    (metric,) = (key for one, key in shown if (one.name, one.integration["name"]) == ("Placed Order", "API"))
    assert client.Metrics.get_mapped_metric("revenue").data.relationships.metric.data.id == metric
    filters = ["greater-or-equal(datetime,2026-11-19T00:00:00)", "less-than(datetime,2026-11-20T00:00:00)"]
    query = {"metric_id": metric, "measurements": ["count", "sum_value", "unique"], "filter": filters}
    answer = client.Metrics.query_metric_aggregates(resource("metric-aggregate", {**query, "by": ["$value_currency"]}))
    (row,) = answer.data.attributes.data
    assert row.dimensions == ["GBP"]
    assert row.measurements == {"count": [3], "sum_value": [30.3], "unique": [1]}


def test_the_catalogue_is_filled_changed_and_emptied(client: Any, caller: Caller) -> None:
    category = {"type": "catalog-category", "attributes": {"external_id": "KITCHEN", "name": "Kitchen"}}
    item = {"external_id": "MUG", "title": "Mug", "description": "A mug", "url": "https://shop.example/m", "price": 9.5}
    related = {"categories": {"data": [{"type": "catalog-category", "id": f"{PREFIX}KITCHEN"}]}}
    variant = {**item, "external_id": "MUG-RED", "sku": "MUG-RED", "inventory_quantity": 3, "inventory_policy": 1}
    parent = {"item": {"data": {"type": "catalog-item", "id": f"{PREFIX}MUG"}}}
    client.Catalogs.create_catalog_category({"data": category})
    client.Catalogs.create_catalog_item(resource("catalog-item", item, relationships=related))
    rows = {"variants": {"data": [{"type": "catalog-variant", "attributes": variant, "relationships": parent}]}}
    job = client.Catalogs.bulk_create_catalog_variants(resource("catalog-variant-bulk-create-job", rows))
    caller.settle()
    done = client.Catalogs.get_bulk_create_variants_job(job.data.id, include=["variants"])
    assert (done.data.attributes.status, done.included[0].attributes.sku) == ("complete", "MUG-RED")
    again = client.Catalogs.bulk_create_catalog_variants(resource("catalog-variant-bulk-create-job", rows))
    caller.settle()
    failed = client.Catalogs.get_bulk_create_variants_job(again.data.id).data.attributes
    assert (failed.failed_count, len(failed.errors)) == (1, 1)
    changed = {"type": "catalog-variant", "id": f"{PREFIX}MUG-RED", "attributes": {"inventory_quantity": 0}}
    client.Catalogs.update_catalog_variant(f"{PREFIX}MUG-RED", {"data": changed})
    assert client.Catalogs.get_catalog_variant(f"{PREFIX}MUG-RED").data.attributes.inventory_quantity == 0
    assert [one.id for one in client.Catalogs.get_catalog_items(include=["variants"]).included] == [f"{PREFIX}MUG-RED"]
    waiting = {"data": {"type": "profile", "attributes": {"email": "kim@example.com"}}}
    wanted = {"variant": {"data": {"type": "catalog-variant", "id": f"{PREFIX}MUG-RED"}}}
    body = resource("back-in-stock-subscription", {"channels": ["EMAIL"], "profile": waiting}, relationships=wanted)
    assert client.Catalogs.create_back_in_stock_subscription(body) is None
    client.Catalogs.delete_catalog_variant(f"{PREFIX}MUG-RED")
    client.Catalogs.delete_catalog_item(f"{PREFIX}MUG")
    assert client.Catalogs.get_catalog_variants().data == []


def test_a_wrong_key_and_a_throttled_call_come_up_as_the_clients_own_errors() -> None:
    # With a Retry-After the client's HTTP library would wait and repeat by itself.
    with account(drop_retry_after=True) as caller:
        with pytest.raises(UnauthorizedException):
            KlaviyoAPI("pk_wrong", test_host=caller.base_url, max_retries=1, max_delay=0.1).Metrics.get_metrics()
        while caller.get("/api/metrics").status_code == 200:
            pass
        with pytest.raises(ApiException) as problem:
            KlaviyoAPI(KEY, test_host=caller.base_url, max_retries=1, max_delay=0.1).Metrics.get_metrics()
        assert problem.value.status == 429
