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
    for name in ("budget", "secrets", "authentication", "connect"):
        assert callable(getattr(vendor, name)), f"{platform} has no {name}"


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
