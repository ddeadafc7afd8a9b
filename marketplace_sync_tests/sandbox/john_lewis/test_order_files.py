"""The orders as the files of the SFTP rail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.sandbox.john_lewis.seller import ACCOUNT, LAMP, MUG, Seller

SellerWith = Callable[..., Seller]


def arrived(seller: Seller, folder: Path, count: int = 1, *, there: str = "live/incoming") -> list[Path]:
    """The files of orders with their markers, once so many files are written."""
    files = seller.sandbox.eventually(
        lambda: sum(each["written"] for each in seller.sandbox.documents(ACCOUNT, "order_files")) == count
    )
    assert files, seller.sandbox.control("GET")["failures"]
    return sorted((folder / there).iterdir())


def read(path: Path, delimiter: str = "|") -> tuple[dict[str, str], list[dict[str, str]], int]:
    """Order, items and checksum."""
    names, values, item_names, *items, count = path.read_text(encoding="utf-8").splitlines()
    heads = item_names.split(delimiter)
    found = [dict(zip(heads, item.split(delimiter), strict=True)) for item in items]
    return dict(zip(names.split(delimiter), values.split(delimiter), strict=True)), found, int(count)


def test_an_order_is_a_file_that_says_the_same_and_its_marker(seller_with: SellerWith, tmp_path: Path) -> None:
    seller = seller_with(sftp_folder=str(tmp_path))
    order_id = seller.placed((MUG, 2), (LAMP, 1), buyer={"full_name": "Zoë O'Neill"})
    file, marker = arrived(seller, tmp_path)
    assert marker.name == f"{file.name}.DONE"
    assert marker.read_bytes() == b""
    assert (file.name[:6], len(file.name), file.suffix) == ("order-", len("order-yyyymmddhhmmssnnnnnn.txt"), ".txt")
    head, items, count = read(file)
    assert count == len(file.read_text().splitlines()) - 1 == 5
    order = seller.order(order_id)
    address = order["shipping_address"]
    assert head == {
        "order_number": order["order_reference"],
        "order_date": order["order_date"],
        "po_enduser": order["end_user_purchase_order_reference"],
        "retailer_ref": "John Lewis",
        "shipping_title": "",
        "shipping_full_name": "Zoë O'Neill",
        "shipping_address_1": address["line_1"],
        "shipping_address_2": address.get("line_2", ""),
        "shipping_address_3": address["city"],
        "shipping_postcode": address["postal_code"],
        "shipping_country": address["country"],
        "shipping_phone": address["phone"],
        "shipping_email": address["email"],
        "expected_delivery_date": order["items"][0]["promised_date"],
    }
    names = ("part_number", "line_reference", "quantity", "name", "promised_date")
    assert [list(item.values()) for item in items] == [
        [item["part_number"], "", *(str(item[name]) for name in names[1:])] for item in order["items"]
    ]


def test_the_delimiter_is_a_setting_and_no_value_holds_it(seller_with: SellerWith, tmp_path: Path) -> None:
    seller = seller_with(sftp_folder=str(tmp_path), sftp_delimiter=";")
    seller.placed(buyer={"full_name": "Ana; Fry", "line_1": "1 High Street\nFlat; 2"})
    head, (item,), _ = read(arrived(seller, tmp_path)[0], ";")
    assert (head["shipping_full_name"], head["shipping_address_1"]) == ("Ana  Fry", "1 High Street Flat  2")
    assert item["quantity"] == "1"
    with pytest.raises(ValueError, match="sftp_delimiter is one character"):
        seller.act("configure", sftp_delimiter="||")


def test_nothing_is_written_until_a_folder_is_set(seller: Seller, tmp_path: Path) -> None:
    seller.placed()
    seller.act("configure", sftp_folder=str(tmp_path))
    later = seller.placed()
    arrived(seller, tmp_path)
    assert [each["order_id"] for each in seller.sandbox.documents(ACCOUNT, "order_files")] == [later]
    assert seller.do("acknowledge", later).status_code == 200
    assert len(arrived(seller, tmp_path)) == 2, "an order comes once, whatever becomes of it"


def test_test_orders_come_among_the_tests(seller_with: SellerWith, tmp_path: Path) -> None:
    seller = seller_with(sftp_folder=str(tmp_path))
    seller.placed(test=True)
    assert len(arrived(seller, tmp_path, there="uat/incoming")) == 2
    assert not (tmp_path / "live").exists()


def test_an_order_that_is_held_comes_when_it_is_released(seller_with: SellerWith, tmp_path: Path) -> None:
    seller = seller_with(sftp_folder=str(tmp_path), unknown_status_rate=1.0, hold_seconds=60)
    seller.placed()
    assert seller.sandbox.documents(ACCOUNT, "order_files") == []
    seller.sandbox.control("POST", "clock", {"advance_seconds": 61})
    assert len(arrived(seller, tmp_path)) == 2


def test_a_checksum_is_wrong_on_demand_once(seller_with: SellerWith, tmp_path: Path) -> None:
    seller = seller_with(sftp_folder=str(tmp_path))
    seller.act("spoil_order_file", kind="wrong_checksum")
    wrong = seller.placed()
    seller.placed()
    first, _, second, _ = arrived(seller, tmp_path, 2)
    assert [read(path)[2] - 4 for path in (first, second)] == [1, 0]
    noted = seller.sandbox.documents(ACCOUNT, "order_files")
    assert [(each["file"], each["wrong"]) for each in noted] == [(first.name, "wrong_checksum"), (second.name, None)]
    assert noted[0]["order_id"] == wrong
    with pytest.raises(ValueError, match="wrong_checksum, no_marker; not 'typo'"):
        seller.act("spoil_order_file", kind="typo")


def test_a_marker_is_left_out_on_demand(seller_with: SellerWith, tmp_path: Path) -> None:
    seller = seller_with(sftp_folder=str(tmp_path))
    seller.act("spoil_order_file", kind="no_marker")
    seller.placed()
    seller.placed()
    assert [path.suffix for path in arrived(seller, tmp_path, 2)] == [".txt", ".txt", ".DONE"]


def test_a_marker_never_appears_before_a_file_that_is_whole(
    seller_with: SellerWith, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every step in which anything comes to be in the folder, what has a marker is complete."""
    seen: list[tuple[set[str], bool]] = []
    incoming = tmp_path / "live" / "incoming"

    def look() -> None:
        names = {path.name for path in incoming.iterdir()} if incoming.is_dir() else set()
        whole = all(read(incoming / name)[2] == 4 for name in names if name.endswith(".txt"))
        seen.append((names, whole))

    def watched(act: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            look()
            result = act(*arguments, **named)
            look()
            return result

        return step

    for name in ("write_text", "replace", "touch"):
        monkeypatch.setattr(Path, name, watched(getattr(Path, name)))
    seller = seller_with(sftp_folder=str(tmp_path))
    seller.placed()
    file, marker = arrived(seller, tmp_path)
    assert all(whole for _, whole in seen)
    assert [names for names, _ in seen] == [set(), set(), set(), {file.name}, {file.name}, {file.name, marker.name}]


def test_an_order_of_before_a_restart_is_written_after_it(tmp_path: Path) -> None:
    folder = tmp_path / "sftp"
    folder.write_text("in the way")
    world: dict[str, Any] = {"accounts": {ACCOUNT: "john_lewis"}, "state_file": tmp_path / "world.sqlite"}
    world["settings"] = {ACCOUNT: {"sftp_folder": str(folder)}}
    with RunningSandbox(**world) as sandbox:
        Seller(sandbox).placed()
        assert sandbox.eventually(lambda: bool(sandbox.control("GET")["failures"]))
    folder.unlink()
    with RunningSandbox(**world) as sandbox:
        assert len(arrived(Seller(sandbox), folder)) == 2


def test_a_folder_that_cannot_be_written_undoes_nothing_of_what_happens(
    seller_with: SellerWith, tmp_path: Path
) -> None:
    (tmp_path / "sftp").write_text("in the way")
    seller = seller_with(sftp_folder=str(tmp_path / "sftp"), unknown_status_rate=1.0, hold_seconds=60)
    order_id = seller.placed()
    seller.sandbox.control("POST", "clock", {"advance_seconds": 61})
    assert seller.sandbox.eventually(lambda: bool(seller.sandbox.control("GET")["failures"]))
    assert seller.order(order_id)["status"] == "ORDER"
    (failure,) = seller.sandbox.control("GET")["failures"]
    assert "sftp" in failure
    (tmp_path / "sftp").unlink()
    seller.sandbox.control("POST", "clock", {"advance_seconds": 61})
    assert len(arrived(seller, tmp_path / "sftp")) == 2
