"""Everything the shop sells is read, with the stock of the places that count, however much of it there is."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from marketplace_sync.domain.errors import RequestRejected
from marketplace_sync.domain.store import Variant
from marketplace_sync.sandbox.catalogue import products
from marketplace_sync_tests.connectors.shopify_shop import Shop, create_order, line, operation, shop


@pytest.fixture
def opened() -> Iterator[Shop]:
    with shop() as there:
        yield there


def read(opened: Shop) -> list[Variant]:
    return [variant for page in opened.store.variants() for variant in page]


def test_every_variant_is_there_with_what_marketing_and_stock_need(opened: Shop) -> None:
    found = {variant.sku: variant for variant in read(opened)}
    assert found.keys() == {product.sku for product in products()}
    for product in products():
        variant = found[product.sku]
        assert (variant.price, variant.currency) == (product.price, "GBP")
        assert (variant.brand, variant.category) == (product.brand, product.category)
        assert variant.collections == (product.collection,)
        assert (variant.available, variant.barcode) == (product.stock, product.barcode)
        assert variant.variant_id.startswith("gid://shopify/ProductVariant/")
        assert variant.inventory_item_id.startswith("gid://shopify/InventoryItem/")
    assert found["MUG-RED"].title == "Stoneware mug – Red"


def test_a_sku_that_two_variants_have_comes_twice(opened: Shop) -> None:
    opened.act("duplicate_sku", sku="MUG-RED")
    assert [variant.sku for variant in read(opened)].count("MUG-RED") == 2


def test_skus_are_taken_as_they_are_written_and_variants_without_one_are_left_out(opened: Shop) -> None:
    opened.act("add_variant", sku="mug-red", title="Small letters", price=100)
    opened.act("add_variant", sku=None, title="Nameless", price=100)
    opened.act("add_variant", sku="00123", title="Default Title", product_title="Zeroes", price=100)
    found = [variant.sku for variant in read(opened)]
    assert {"mug-red", "MUG-RED", "00123"} <= set(found)
    assert len(found) == len(products()) + 2


def test_orders_lower_what_is_available(opened: Shop) -> None:
    before = {variant.sku: variant.available for variant in read(opened)}["MUG-RED"]
    assert before is not None
    opened.injected(create_order(lines=[line("L1", quantity=3)]))
    assert {variant.sku: variant.available for variant in read(opened)}["MUG-RED"] == before - 3


def test_a_large_catalogue_is_read_in_pages_that_the_shop_can_afford(opened: Shop) -> None:
    for number in range(130):
        opened.act("add_variant", sku=f"EXTRA-{number}", title=f"Extra {number}", price=100 + number)
    found = [variant.sku for variant in read(opened)]
    assert len(found) == len(set(found)) == len(products()) + 130
    assert len(opened.sent("Variants")) >= 2
    assert len(opened.sent("Products")) >= 3


def test_a_page_that_the_shop_finds_too_dear_is_asked_for_in_smaller_ones() -> None:
    with shop({"most_cost": 150}) as opened:
        assert len(read(opened)) == len(products())
        refused = [one for one in opened.exchanges if b"MAX_COST_EXCEEDED" in one.response_body]
        assert {operation(one) for one in refused} == {"Products", "Variants"}


def test_only_locations_that_were_chosen_and_are_active_count(opened: Shop) -> None:
    (location,) = opened.stored("locations")
    chosen = Shop(opened.sandbox, locations=(str(location["id"]),))
    assert {variant.sku: variant.available for variant in read(chosen)} == {p.sku: p.stock for p in products()}
    with pytest.raises(RequestRejected, match="none of the locations chosen"):
        read(Shop(opened.sandbox, locations=("1",)))


def test_prices_and_stock_are_whole_numbers(opened: Shop) -> None:
    for variant in read(opened):
        assert type(variant.price) is int
        assert type(variant.available) is int
        assert msgspec.json.decode(msgspec.json.encode(variant), type=Variant) == variant
