"""The configuration is read strictly, and everything that is wrong with it is said in one go, with the fix."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from marketplace_sync.config import PACKAGED, Configuration, find, load
from marketplace_sync.connectors import registry
from marketplace_sync.domain.errors import ConfigurationError
from marketplace_sync.settings import ConnectionSettings

SOUND = """
connections:
  john_lewis:
    platform: john_lewis
    base_url: https://api.virtualstock.example/restapi/v4
    username: {env: JL_USERNAME}
    password: {file: secrets/john-lewis}
  shop: {platform: shopify, base_url: "https://shop.myshopify.com", access_token: {env: SHOPIFY_TOKEN}}
  klaviyo: {platform: klaviyo, api_key: {env: KLAVIYO_KEY}}
routes:
  john_lewis: {store: shop, marketing: klaviyo, stock: {buffer: 2, push_every: 5m}}
"""
SECRETS = {"JL_USERNAME": "seller", "SHOPIFY_TOKEN": "shpat_hush", "KLAVIYO_KEY": "pk_hush"}


@pytest.fixture
def write(tmp_path: Path) -> Path:
    """A folder with a secret file; tests write their configuration beside it."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "john-lewis").write_text("hush\n")
    return tmp_path / "marketplace_sync.yaml"


def read(path: Path, text: str, **environ: str) -> Configuration:
    path.write_text(text, encoding="utf-8")
    return load(path, {**SECRETS, **environ})


def problems(path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as wrong:
        load(path, SECRETS if environ is None else environ)
    return wrong.value.problems


def test_a_sound_file_becomes_typed_settings(write: Path) -> None:
    found = read(write, SOUND)
    assert list(found.connections) == ["john_lewis", "shop", "klaviyo"]
    assert found.role("john_lewis") == "marketplace"
    assert list(found.with_role("store")) == ["shop"]
    route = found.routes["john_lewis"]
    assert (route.marketplace, route.store, route.marketing) == ("john_lewis", "shop", "klaviyo")
    assert route.stock is not None
    assert route.stock.push_every.total_seconds() == 300


def test_a_secret_file_is_looked_for_beside_the_configuration(write: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Daemons, workers and people start in different folders, and must all find it."""
    monkeypatch.chdir("/")
    settings = read(write, SOUND).connections["john_lewis"]
    assert settings.model_dump()["password"]["file"] == write.parent / "secrets" / "john-lewis"


def test_every_problem_is_said_at_once(write: Path) -> None:
    said = problems(
        write,
        """
connections:
  john_lewis: {platform: john_lewis, base_url: "http://jl.example", username: {env: JL_USERNAME}}
  shop: {platform: shopfy, base_url: "https://shop.myshopify.com"}
  klaviyo: {platform: klaviyo, api_key: pk_live_do_not_print, time_zone: London}
routes:
  john_lewis: {stor: shop, marketing: klavyio}
extra: 1
""",
    )
    text = "\n".join(said)
    assert "pk_live_do_not_print" not in text
    for expected in (
        "extra: there is no such key",
        "connections.john_lewis.base_url: 'http://jl.example' is not encrypted",
        "connections.john_lewis.password: it is missing; add it like password: {env: PASSWORD}",
        "connections.shop.platform: 'shopfy' is not known (did you mean `shopify`?)",
        "connections.klaviyo.api_key: a secret is never written into this file; write {env: NAME} or {file: path}",
        "connections.klaviyo.time_zone: 'London' is not a time zone; write one like Europe/London",
        "routes.john_lewis.stor: there is no such key (did you mean `store`?)",
    ):
        assert any(line.startswith(expected) for line in said), f"{expected}\nnot in\n{text}"


def test_every_line_names_a_key_and_a_fix(write: Path) -> None:
    said = problems(
        write,
        SOUND.replace("buffer: 2", "buffer: -1, bufers: {}")
        .replace("platform: klaviyo", "platform: klaviyo, timeout_seconds: soon, metrics: Placed")
        .replace("5m", "five"),
    )
    assert len(said) == 5
    for line in said:
        key, _, rest = line.partition(": ")
        assert key.startswith(("connections.", "routes."))
        assert ";" in rest, line


def test_all_missing_secrets_are_named(write: Path) -> None:
    (write.parent / "secrets" / "john-lewis").unlink()
    said = problems(write, SOUND, environ={})
    assert [line.split(": ")[0] for line in said] == [
        "connections.john_lewis.username",
        "connections.john_lewis.password",
        "connections.shop.access_token",
        "connections.klaviyo.api_key",
    ]
    assert "JL_USERNAME is not set" in said[0]
    assert "secrets/john-lewis" in said[1]


def test_a_key_written_twice_is_refused(write: Path) -> None:
    said = problems(write, SOUND + "  john_lewis: {store: shop}\n")
    assert any(line.startswith("line 12: `john_lewis` is written twice (first in line 11);") for line in said), said


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("{store: shopp}", "routes.john_lewis.store: there is no connection 'shopp' (did you mean `shop`?)"),
        ("{store: klaviyo}", "routes.john_lewis.store: klaviyo is a marketing account, not a store; name one of: shop"),
        ("{marketing: shop}", "routes.john_lewis.marketing: shop is a store, not a marketing account"),
        ("{store: shop, marketplace: shop}", "routes.john_lewis.marketplace: shop is a store, not a marketplace"),
        ("{carriers: {}}", "routes.john_lewis: it leads nowhere; name a `store`, a `marketing` account, or both"),
        ("{marketing: klaviyo, stock: {}}", "routes.john_lewis.stock: this needs a store, and the route has none"),
    ],
)
def test_a_route_must_fit_its_connections(write: Path, route: str, expected: str) -> None:
    head, _, _ = SOUND.partition("routes:")
    said = problems(write, f"{head}routes:\n  john_lewis: {route}\n")
    assert any(line.startswith(expected) for line in said), said


@pytest.fixture
def bazaar(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes platforms of this process that can do nothing but what a test says: `market`, `shelf` and `crier`."""

    def offer(**offers: dict[str, bool]) -> None:
        for platform, role in (("market", "marketplace"), ("shelf", "store"), ("crier", "marketing")):
            module = ModuleType(f"test_config_{platform}")
            declared = SimpleNamespace(**offers.get(platform, {}))
            vars(module).update(ROLE=role, SETTINGS=ConnectionSettings, capabilities=lambda _, said=declared: said)
            monkeypatch.setitem(sys.modules, module.__name__, module)
            monkeypatch.setitem(registry.PLATFORMS, platform, module.__name__)

    return offer


@pytest.mark.parametrize(
    ("platform", "capability", "route", "said"),
    [
        ("market", "has_stock", "{store: shelf, stock: {}}", "stock: market takes no stock levels; remove `stock`"),
        ("shelf", "has_stock", "{store: shelf, stock: {}}", "stock: shelf does not say how much of a product it has"),
        (
            "market",
            "has_consent",
            "{marketing: crier, consent: {initial: marketplace}}",
            "consent: market does not say",
        ),
        ("market", "has_consent", "{marketing: crier, consent: {updates: newest}}", "consent: market does not say"),
        ("crier", "takes_consent", "{marketing: crier, consent: {updates: newest}}", "consent: crier takes no subscr"),
        ("crier", "takes_consent", "{marketing: crier, marketing_allowed: true}", "marketing_allowed: crier takes no"),
        ("crier", "takes_consent", "{store: shelf, marketing_allowed: true}", "marketing_allowed: this needs a market"),
        (
            "market",
            "has_settlement_api",
            "{store: shelf, finance: {settlement: api}}",
            "finance.settlement: market has",
        ),
        ("market", "takes_dispatch", "{store: shelf}", "store: market cannot be told of parcels"),
        ("shelf", "takes_orders", "{store: shelf}", "store: shelf takes no orders from us; remove `store`"),
        ("crier", "takes_events", "{marketing: crier}", "marketing: crier takes no events; remove `marketing`"),
    ],
)
def test_a_route_that_asks_for_more_than_its_connections_offer_is_refused_with_the_reason(
    write: Path, bazaar: Callable[..., None], platform: str, capability: str, route: str, said: str
) -> None:
    connections = "".join(
        f"  {name}: {{platform: {name}, base_url: 'https://{name}.example'}}\n" for name in ("market", "shelf", "crier")
    )
    text = f"connections:\n{connections}routes:\n  market: {route}\n"
    bazaar(**{platform: {capability: False}})
    (found,) = problems(write, text)
    assert found.startswith(f"routes.market.{said}")
    assert ";" in found, "the fix"
    bazaar(**{platform: {capability: True}})
    if "this needs" not in said:
        assert list(read(write, text).routes) == ["market"]


def test_an_account_of_john_lewis_on_its_mirakl_rail_has_the_keys_of_that_rail(write: Path) -> None:
    text = SOUND.replace(
        "    username: {env: JL_USERNAME}\n    password: {file: secrets/john-lewis}\n",
        "    dialect: mirakl\n    api_key: {file: secrets/john-lewis}\n",
    )
    settings = read(write, text).connections["john_lewis"]
    assert registry.package_of(settings).__name__.endswith(".mirakl")
    assert settings.model_dump()["currency"] == "GBP"
    assert settings.model_dump()["only_registered_carriers"] is True
    (said,) = problems(write, text.replace("stock: {buffer", "consent: {initial: marketplace}, stock: {buffer"))
    assert said.startswith("routes.john_lewis.consent: john_lewis does not say whether buyers agreed to marketing")
    said_of = problems(write, text.replace("    api_key", "    username: {env: JL_USERNAME}\n    api_key"))
    assert [line.split(": ")[0] for line in said_of] == ["connections.john_lewis.username"]
    (said,) = problems(write, SOUND.replace("    username", "    dialect: sftp\n    username", 1))
    assert said.startswith("connections.john_lewis.dialect: ")
    assert "edge" in said
    assert "mirakl" in said


def test_a_route_to_an_unsound_connection_is_not_blamed_as_well(write: Path) -> None:
    said = problems(write, SOUND.replace("platform: klaviyo", "platform: klaviyo, revision: soon"))
    assert [line.split(": ")[0] for line in said] == ["connections.klaviyo.revision"]


def test_two_routes_must_not_feed_one_store_from_one_marketplace(write: Path) -> None:
    """Every order would be injected twice."""
    said = problems(write, SOUND + "  again: {marketplace: john_lewis, store: shop}\n")
    assert said == ["routes.again: it feeds john_lewis into shop, as john_lewis does; remove one of them"]


def test_one_marketplace_must_not_feed_two_stores(write: Path) -> None:
    """Every order would be shipped twice."""
    text = SOUND.replace(
        "routes:",
        "  second: {platform: shopify, base_url: 'https://b.myshopify.com',"
        " access_token: {env: SHOPIFY_TOKEN}}\nroutes:",
    )
    said = problems(write, text + "  again: {marketplace: john_lewis, store: second}\n")
    assert said == [
        "routes.again.store: john_lewis puts the orders of john_lewis into shop already, and both stores would ship"
        " them; remove one of the two `store` keys"
    ]


def test_a_default_secret_is_refused_for_an_address_elsewhere(write: Path) -> None:
    """The sandbox's passwords are public: a copied file must not send them to a real vendor."""
    text = SOUND.replace("{env: SHOPIFY_TOKEN}", "{env: SHOPIFY_TOKEN, default: shpat_sandbox}")
    said = problems(write, text)
    assert said[0].startswith("connections.shop.access_token: a `default` is only for the sandbox on this machine")
    assert "shpat_sandbox" not in "".join(said)
    at_home = text.replace("https://shop.myshopify.com", "http://127.0.0.1:8700/shop")
    assert read(write, at_home, SHOPIFY_TOKEN="").connections["shop"].base_url == "http://127.0.0.1:8700/shop"


def test_a_name_must_fit_asset_keys_and_order_identifiers(write: Path) -> None:
    said = problems(write, SOUND.replace("  shop:", "  Shop-1:"))
    assert any(line.startswith("connections.Shop-1: this name cannot be used; write small letters") for line in said)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "it is empty"),
        ("- a\n", "it is not a mapping"),
        ("connections: [\n", "line 2, column 1"),
        ("connections:\n\tx: 1\n", "line 2, column 1"),
        ("connections: !!python/object/apply:os.system [true]\n", "a tag (!something) is not understood"),
        ("connections: {}\n\0", "line 2: the character U+0000 may not be in YAML"),
        ("connections:\n" + "  a: 1\n" * 5000 + "\x07", "line 5002: the character U+0007 may not be in YAML"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_one_problem(write: Path, text: str, expected: str) -> None:
    (said,) = problems(write, text)
    assert expected in said
    assert said.startswith(str(write))


def test_a_file_in_another_encoding_is_one_problem(write: Path) -> None:
    write.write_bytes("connections: {caf\xe9: {}}".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="byte 17 is not UTF-8"):
        load(write, {})


def test_a_named_file_that_is_missing_is_said_so(tmp_path: Path) -> None:
    """Falling back to the sandbox would look like success."""
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml: there is no such file"):
        load(environ={"MARKETPLACE_SYNC_CONFIG": str(tmp_path / "nowhere.yaml")})


def test_credentials_in_an_address_are_not_repeated(write: Path) -> None:
    said = problems(write, SOUND.replace("https://shop.myshopify.com", "ftp://me:hush@shop.example"))
    assert "hush" not in "".join(said)
    assert "connections.shop.base_url" in said[0]


def test_the_file_is_found_by_variable_then_here_then_in_the_package(
    write: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write.parent)
    assert find({}) == PACKAGED
    write.write_text(SOUND)
    assert find({}) == write
    assert find({"MARKETPLACE_SYNC_CONFIG": "other.yaml"}) == write.parent / "other.yaml"


def test_with_no_configuration_the_sandbox_s_is_sound_and_needs_no_variable() -> None:
    found = load(PACKAGED, {})
    assert found.is_packaged
    assert found.on_this_machine(8700) == list(found.connections)
    assert {found.role(name) for name in found.connections} == {"marketplace", "store", "marketing"}


def test_the_sandbox_s_configuration_follows_the_sandbox_to_another_port() -> None:
    found = load(PACKAGED, {"MARKETPLACE_SYNC_SANDBOX_PORT": "9100"})
    assert found.on_this_machine(9100) == list(found.connections)
    with pytest.raises(ConfigurationError, match="MARKETPLACE_SYNC_SANDBOX_PORT: 'x' is not a port"):
        load(PACKAGED, {"MARKETPLACE_SYNC_SANDBOX_PORT": "x"})


def test_the_database_s_password_is_not_in_what_a_log_would_show(write: Path) -> None:
    found = read(write, SOUND, MARKETPLACE_SYNC_DATABASE_URL="postgresql://me:hush@db.example/sync")
    assert found.database_url == "postgresql://me:hush@db.example/sync"
    assert "hush" not in repr(found)


def test_reading_a_configuration_loads_no_heavy_library(write: Path) -> None:
    """Every run and every command reads it first."""
    write.write_text(SOUND)
    program = (
        "import sys; from pathlib import Path; from marketplace_sync.config import load; load(Path(sys.argv[1]));"
        "print(*sorted({'dagster', 'pandas', 'sqlalchemy', 'httpx', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(write)], capture_output=True, text=True, env={**os.environ, **SECRETS}
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
