"""What a person types when goods came back, and what they are told."""

from __future__ import annotations

import json
from pathlib import Path

from marketplace_sync_tests.cli.command import run
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, mirakl_town, writes
from marketplace_sync_tests.flows.town import KLAVIYO


def test_a_return_is_listed_and_received_with_a_fault(database_url: str, tmp_path: Path) -> None:
    route = {"store": None, "marketing": KLAVIYO}
    with mirakl_town(database_url, tmp_path, routes={BAZAAR: route}, like={BAZAAR: {"multi_shipment": True}}) as here:
        order_id = str(here.place("MUG-RED", at=BAZAAR))
        line_id = f"{order_id}-1"
        lines = [{"line_id": line_id, "quantity": 1}]
        here.sandbox.act(BAZAAR, "accept_in_portal", order_id=order_id)
        here.sandbox.act(BAZAAR, "ship_in_portal", order_id=order_id, lines=lines, number="A1")
        here.sandbox.act(BAZAAR, "receive", order_id=order_id)
        return_id = here.sandbox.act(BAZAAR, "request_return", order_id=order_id, lines=lines)["return_id"]
        here.settle()
        environ = {
            "MARKETPLACE_SYNC_CONFIG": str(tmp_path / "marketplace_sync.yaml"),
            "MARKETPLACE_SYNC_DATABASE_URL": database_url,
            "MARKETPLACE_SYNC_HOME": str(tmp_path / "home"),
        }
        code, output, complaint = run("returns", "list", "--json", environ=environ)
        assert (code, complaint) == (0, "")
        (row,) = json.loads(output)
        assert (row["connection"], row["return"], row["line"], row["units"]) == (BAZAAR, return_id, line_id, 1)
        code, _, complaint = run("returns", "received", BAZAAR, return_id, "--not-compliant", line_id, environ=environ)
        assert code == 2
        assert "is not LINE=REASON" in complaint
        fault = f"{line_id}=RETURN_NON_COMPLIANT_MISSING_ITEM"
        said = ("returns", "received", BAZAAR, return_id, "--not-compliant", fault, "--words", "an empty box")
        code, output, _ = run(*said, environ=environ)
        assert (code, output.strip()) == (
            0,
            f"{BAZAAR} is told that the goods of return {return_id} are back, 1 of its lines with a fault",
        )
        here.settle()
        assert [len(writes(here, step)) for step in ("RT25", "RT26", "RT27")] == [1, 1, 1]
        code, output, _ = run("returns", "list", environ=environ)
        assert (code, return_id in output) == (0, False)
        code, _, complaint = run(*said, environ=environ)
        assert code == 1
        assert "was said before" in complaint
