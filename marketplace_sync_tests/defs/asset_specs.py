"""Writes down every asset of the sandbox's configuration, so that a rename or a lost owner is visible in review.

After a change that is meant, write the file again:

    python -m marketplace_sync_tests.defs.asset_specs
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from unittest import mock

import dagster as dg

from marketplace_sync.config import PACKAGED
from marketplace_sync.defs import resources

SNAPSHOT = Path(__file__).with_name("asset_specs.txt")
NOBODY_THERE = "postgresql://nobody@127.0.0.1:1/none"


def loaded() -> dg.Definitions:
    """The definitions of the sandbox's configuration, made while no database and no vendor answers: making them must
    not need either."""
    from marketplace_sync.definitions import defs

    with tempfile.TemporaryDirectory() as home:
        environ = {
            "MARKETPLACE_SYNC_HOME": home,
            "MARKETPLACE_SYNC_CONFIG": str(PACKAGED),
            "MARKETPLACE_SYNC_SANDBOX_PORT": "1",
            "MARKETPLACE_SYNC_DATABASE_URL": NOBODY_THERE,
        }
        with mock.patch.dict(os.environ, environ):
            resources._opened.cache_clear()
            try:
                found = defs()
                resources._opened().close()
            finally:
                resources._opened.cache_clear()
    return found


def rendered(definitions: dg.Definitions) -> str:
    """Assets by key, one paragraph each; a line for what an asset does not have is left out."""
    checks: dict[dg.AssetKey, list[str]] = {}
    for check in definitions.resolve_asset_graph().asset_check_keys:
        checks.setdefault(check.asset_key, []).append(check.name)
    paragraphs = []
    for spec in sorted(definitions.resolve_all_asset_specs(), key=lambda spec: list(spec.key.path)):
        shown = {
            "group": spec.group_name or "",
            "owners": ", ".join(sorted(spec.owners)),
            "kinds": ", ".join(sorted(spec.kinds)),
            "deps": ", ".join(sorted(dep.asset_key.to_user_string() for dep in spec.deps)),
            "tags": ", ".join(f"{k}={v}" for k, v in sorted(spec.tags.items()) if not k.startswith("dagster/kind/")),
            "partitions": type(spec.partitions_def).__name__ if spec.partitions_def else "",
            "freshness": "time window" if spec.freshness_policy else "",
            "checks": ", ".join(sorted(checks.get(spec.key, []))),
        }
        lines = [f"  {name}: {value}" for name, value in shown.items() if value]
        paragraphs.append("\n".join([spec.key.to_user_string(), *lines]))
    return "\n\n".join(paragraphs) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(rendered(loaded()), encoding="utf-8")
    print(f"{SNAPSHOT} written")
