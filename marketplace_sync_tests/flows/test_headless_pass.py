"""A headless pass tells what is wrong with a vendor from what is nobody's fault, and wastes no time on who is away."""

from __future__ import annotations

from pathlib import Path

import stamina

from marketplace_sync.flows.sync import sync
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, mirakl_town
from marketplace_sync_tests.flows.town import JL, SHOP, town


def test_a_list_that_may_not_be_read_again_yet_is_neither_a_problem_nor_an_outage(
    database_url: str, tmp_path: Path
) -> None:
    with mirakl_town(database_url, tmp_path, connections={BAZAAR: {"returns_interval": "5m"}}) as here:
        assert sync(here.context).problems == []
        said: list[str] = []
        assert sync(here.context, said.append).problems == []
        (returns,) = [line for line in said if line.startswith(f"{BAZAAR}: returns: ")]
        assert "not yet again" in returns
        assert here.work_items() == {}


def test_where_nothing_answers_one_read_is_tried_and_the_others_go_on(database_url: str, tmp_path: Path) -> None:
    nobody = {"base_url": "http://127.0.0.1:1"}
    with town(database_url, tmp_path, connections={JL: nobody}) as here, stamina.set_testing(True, attempts=1):
        said: list[str] = []
        report = sync(here.context, said.append)
        assert report.away == {JL}
        assert [line.split(":")[1] for line in said if line.startswith(f"{JL}: ")] == [" orders"]
        assert any(line.startswith(f"{SHOP}: catalogue: ") for line in said)
        assert here.work_items() == {"CONNECTION_DOWN": 1}


def test_a_store_where_nothing_answers_is_shown_and_its_marketplace_is_still_asked(
    database_url: str, tmp_path: Path
) -> None:
    nobody = {"base_url": "http://127.0.0.1:1"}
    with town(database_url, tmp_path, connections={SHOP: nobody}) as here, stamina.set_testing(True, attempts=1):
        said: list[str] = []
        report = sync(here.context, said.append)
        assert report.away == {SHOP}
        assert {line.split(":")[1] for line in said if line.startswith(f"{JL}: ")} >= {" orders", " sweep", " returns"}
        assert here.work_items()["CONNECTION_DOWN"] == 1
