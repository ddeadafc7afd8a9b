"""Listings can be read in whatever terminal they are asked for."""

from __future__ import annotations

import pytest

from marketplace_sync.cli.showing import as_table

COLUMNS = ("id", "code", "owner", "at risk", "since (UTC)", "what happened", "what to do")
ROW = (
    12,
    "UNUSABLE_ADDRESS",
    "merchandising",
    "66.60 GBP",
    "2026-11-28 09:25",
    "Order 508000193-001 of John Lewis cannot be shipped: no first address line. [red]It is kept[/red].",
    None,
)


@pytest.mark.parametrize("width", [160, 120])
def test_a_wide_terminal_is_shown_a_table(capsys: pytest.CaptureFixture[str], width: int) -> None:
    as_table("Open work items", COLUMNS, [ROW], width)
    shown = capsys.readouterr().out
    assert "│ 12 │ UNUSABLE_ADDRESS │ merchandising │ 66.60 GBP │ 2026-11-28 09:25 │" in shown
    assert max(map(len, shown.splitlines())) <= width
    assert "[red]" in shown


@pytest.mark.parametrize("width", [80, 60, 40])
def test_a_narrow_terminal_is_shown_paragraphs_in_which_no_word_is_broken(
    capsys: pytest.CaptureFixture[str], width: int
) -> None:
    as_table("Open work items", COLUMNS, [ROW], width)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    assert " ".join(shown.split()) == (
        "Open work items id 12 code: UNUSABLE_ADDRESS, owner: merchandising, at risk: 66.60 GBP, "
        "since (UTC): 2026-11-28 09:25 what happened: Order 508000193-001 of John Lewis cannot be shipped: "
        "no first address line. [red]It is kept[/red]."
    )


def test_nothing_is_said_to_be_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    as_table("Open work items", COLUMNS, [])
    assert capsys.readouterr().out == "Open work items: none\n"
