"""Every platform that is listed keeps what the registry promises of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from marketplace_sync.connectors import registry
from marketplace_sync.settings import ConnectionSettings


@pytest.mark.parametrize("platform", registry.PLATFORMS)
def test_a_platform_exposes_what_is_needed_to_open_it(platform: str) -> None:
    vendor = registry.package(platform)
    assert vendor.ROLE in ("marketplace", "store", "marketing")
    assert issubclass(vendor.SETTINGS, ConnectionSettings)
    assert vendor.SETTINGS.model_config.get("extra") == "forbid"
    for name in ("budget", "secrets", "authentication", "capabilities", "connect"):
        assert callable(getattr(vendor, name)), f"{platform} has no {name}"


@pytest.mark.parametrize("platform", registry.PLATFORMS)
def test_a_dialect_is_another_platform_s_protocol_with_defaults_of_its_own(platform: str) -> None:
    for name, dialect in getattr(registry.package(platform), "DIALECTS", {}).items():
        keys = registry.settings_class(platform, name).model_fields
        assert keys["dialect"].default == name
        assert {key: keys[key].default for key in dialect.defaults} == dialect.defaults
        protocol = registry.package(dialect.platform)
        assert protocol.ROLE == registry.package(platform).ROLE
        assert set(keys) - {"dialect"} == set(protocol.SETTINGS.model_fields)


def test_an_unknown_platform_is_a_key_that_does_not_exist() -> None:
    with pytest.raises(KeyError):
        registry.package("ebay")


def test_vendors_are_not_imported_before_they_are_used_and_none_brings_an_http_library() -> None:
    program = (
        "import sys, importlib\n"
        "from marketplace_sync.connectors import registry\n"
        "assert not [m for m in sys.modules if m.startswith('marketplace_sync.connectors.') and m.count('.') > 2]\n"
        "for platform in registry.PLATFORMS: registry.package(platform)\n"
        "print(sorted(m for m in sys.modules if m in ('httpx', 'requests', 'httpcore', 'dagster')))\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"
