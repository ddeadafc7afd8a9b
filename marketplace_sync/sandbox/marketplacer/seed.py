"""What an instance has on its first day: sellers, brands, a category tree, carriers, and products of every kind."""

from __future__ import annotations

from marketplace_sync.sandbox import catalogue
from marketplace_sync.sandbox.marketplacer.market import Market
from marketplace_sync.sandbox.state import Document

CARRIERS = {
    "Royal Mail": "https://www.royalmail.example/track/",
    "DPD UK": "https://track.dpd.example/",
    "Evri": "https://www.evri.example/track/",
    "Other": None,
}


def seed(market: Market) -> None:
    """Fill an instance that is empty; leave any other alone."""
    if len(market.of["Seller"]):
        return
    for name, tracking in CARRIERS.items():
        home = f"https://{name.lower().replace(' ', '')}.example/" if tracking else None
        market.add("ShipmentCarrier", {"name": name, "homepageUrl": home, "trackingUrl": tracking})
    root = _taxon(market, "Home", None)
    taxons: dict[str, Document] = {}
    brands: dict[str, Document] = {}
    sellers: dict[str, Document] = {}
    adverts: dict[str, Document] = {}
    for name in market.settings.seller_keys:
        sellers[name] = _seller(market, name)
    for product in catalogue.products():
        if product.category not in taxons:
            taxons[product.category] = _taxon(market, product.category, root["n"])
        if product.brand not in brands:
            slug = product.brand.lower().replace(" & ", "-").replace(" ", "-")
            brands[product.brand] = market.add("Brand", {"name": product.brand, "slug": slug})
        seller = sellers.get(product.brand) or next(iter(sellers.values()))
        code, _, option = product.sku.partition("-")
        if code not in adverts:
            adverts[code] = _advert(market, product, code, seller["n"], brands[product.brand]["n"])
            adverts[code]["taxon"] = taxons[product.category]["n"]
            adverts[code]["secondaryTaxons"] = [root["n"]]
        variant = market.add(
            "Variant",
            {
                "advert": adverts[code]["n"],
                "sku": product.sku,
                "barcode": product.barcode,
                "label": option.title(),
                "option": option.title(),
                "countOnHand": product.stock,
                "infiniteQuantity": False,
                "priceCents": product.price,
                "published": True,
                "externalId": None,
            },
        )
        adverts[code]["variants"].append(variant["n"])


def _taxon(market: Market, title: str, parent: int | None) -> Document:
    return market.add("Taxon", {"title": title, "parent": parent, "urlSlug": title.lower().replace(" ", "-")})


def _seller(market: Market, name: str) -> Document:
    slug = name.lower().replace(" & ", "-").replace(" ", "-")
    return market.add(
        "Seller",
        {
            "businessName": name,
            "legalBusinessName": f"{name} Limited",
            "emailAddress": f"orders@{slug}.example",
            "online": True,
            "slaRating": 4.5,
            "tags": [],
        },
    )


def _advert(market: Market, product: catalogue.Product, code: str, seller: int, brand: int) -> Document:
    return market.add(
        "Advert",
        {
            "title": product.title.partition(",")[0],
            "code": code,
            "brand": brand,
            "seller": seller,
            "collection": product.collection,
            "life": "published",
            "vetted": True,
            "promotionText": None,
            "variants": [],
            "taxon": None,
            "secondaryTaxons": [],
        },
    )
