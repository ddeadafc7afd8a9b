"""`marketplace-sync sandbox` runs the packaged world, and whatever account is asked for beside it."""

from __future__ import annotations

import json
import signal
import urllib.request
from pathlib import Path

from marketplace_sync_tests.cli.command import COMMAND, Going, run


def test_an_account_of_ones_own_is_simulated_beside_the_packaged_ones(tmp_path: Path) -> None:
    going = Going([*COMMAND, "sandbox", "--port", "0", "--no-shop", "--account", "markt=mirakl"], {}, tmp_path)
    try:
        going.until_printed("/control)")
        url = going.text.partition("control: ")[2].rstrip(")")
        with urllib.request.urlopen(url) as answer:
            accounts = json.load(answer)["accounts"]
        assert accounts["markt"]["platform"] == "mirakl"
        assert {"john_lewis", "shopify_main", "klaviyo_main"} <= accounts.keys()
    finally:
        going.process.send_signal(signal.SIGINT)
        going.end()


def test_an_account_of_a_platform_that_nobody_simulates_is_refused_with_those_there_are() -> None:
    code, _, complaint = run("sandbox", "--account", "markt=amazon")
    assert code == 2
    assert "'markt=amazon' is not NAME=PLATFORM; platforms are john_lewis, klaviyo" in complaint
