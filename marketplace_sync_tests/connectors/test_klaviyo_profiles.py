"""Profiles: stated once or often, alone or by the hundred, never wiped and never merged with somebody else's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from marketplace_sync.domain.effects import Delivered, EffectKind, InDoubt, Lane, NotThere, Postponed, Refused
from marketplace_sync_tests.connectors.klaviyo_account import Account, account, profile

ONE = "/api/profile-import"
JOBS = "/api/profile-bulk-import-jobs"


@pytest.fixture
def klaviyo() -> Iterator[Account]:
    with account({"visibility_delay": 0.0, "job_seconds": 0.1}) as opened:
        yield opened


def _known(klaviyo: Account, email: str) -> dict[str, Any]:
    found: dict[str, Any] = klaviyo.sandbox.act("klaviyo", "profile_of", email=email)
    return found


def test_a_profile_is_made_and_later_only_added_to(klaviyo: Account) -> None:
    (first,) = klaviyo.connector.deliver([profile(1)])
    assert isinstance(first, Delivered)
    changed = profile(
        1, attributes={"last_name": "Jones", "first_name": None}, properties={"Uncaptured Contact": False}
    )
    (second,) = klaviyo.connector.deliver([changed])
    assert second == first
    sent = klaviyo.bodies(ONE)[1]["data"]["attributes"]
    assert sent == {"email": "kim1@example.com", "last_name": "Jones", "properties": {"Uncaptured Contact": False}}
    known = _known(klaviyo, "kim1@example.com")
    assert (known["first_name"], known["last_name"]) == ("Kim", "Jones")
    assert known["properties"] == {"Marketplaces John Lewis": True, "Uncaptured Contact": False}


def test_many_profiles_go_in_one_job_that_is_read_to_its_end(klaviyo: Account) -> None:
    outcomes = klaviyo.connector.deliver([profile(number) for number in range(1, 201)])
    assert all(isinstance(outcome, Delivered) and outcome.result["job"] for outcome in outcomes)
    assert len(klaviyo.calls(JOBS)) == 1
    assert klaviyo.calls(ONE) == []
    assert len(klaviyo.stored("profiles")) == 200


@pytest.mark.parametrize("validation", ["synchronous", "asynchronous"])
def test_one_bad_profile_of_many_is_refused_alone(validation: str) -> None:
    with account({"job_seconds": 0.1, "import_validation": validation}) as klaviyo:
        effects = [profile(number) for number in range(1, 31)]
        effects[12] = profile(12, identifiers={"email": "nobody at example"})
        outcomes = klaviyo.connector.deliver(effects)
        assert [index for index, outcome in enumerate(outcomes) if not isinstance(outcome, Delivered)] == [12]
        refused = outcomes[12]
        assert isinstance(refused, Refused)
        assert "nobody at example" not in refused.reason


def test_a_job_that_does_not_end_is_in_doubt_and_then_repeated_singly() -> None:
    with account({"job_seconds": 600.0}, import_wait_seconds=1) as klaviyo:
        outcomes = klaviyo.connector.deliver([profile(number) for number in range(1, 13)])
        assert {type(outcome) for outcome in outcomes} == {InDoubt}
        assert klaviyo.connector.is_idempotent(EffectKind.UPSERT_PROFILE)
        again = klaviyo.connector.deliver([profile(number, attempts=2) for number in range(1, 13)])
        assert {type(outcome) for outcome in again} == {Delivered}
        assert len(klaviyo.calls(ONE)) == 12


def test_a_lost_answer_of_a_job_is_in_doubt(klaviyo: Account) -> None:
    klaviyo.faults({"kind": "lost_answer", "path": JOBS, "method": "POST", "remaining": 1})
    outcomes = klaviyo.connector.deliver([profile(number) for number in range(1, 13)])
    assert {type(outcome) for outcome in outcomes} == {InDoubt}


def test_a_job_whose_result_cannot_be_read_is_in_doubt(klaviyo: Account) -> None:
    klaviyo.faults({"kind": "garbage", "path": f"{JOBS}/", "method": "GET"})
    outcomes = klaviyo.connector.deliver([profile(number) for number in range(1, 13)])
    assert {type(outcome) for outcome in outcomes} == {InDoubt}


def test_a_person_who_comes_twice_in_a_batch_keeps_what_was_stated_last(klaviyo: Account) -> None:
    effects = [profile(number) for number in range(1, 12)]
    effects.append(profile(3, identifiers={"email": "KIM3@example.com"}, attributes={"first_name": "Kimberley"}))
    assert all(isinstance(outcome, Delivered) for outcome in klaviyo.connector.deliver(effects))
    assert _known(klaviyo, "kim3@example.com")["first_name"] == "Kimberley"
    assert len(klaviyo.stored("profiles")) == 11


def test_a_phone_number_of_somebody_else_is_left_out_and_reported(klaviyo: Account) -> None:
    phone = {"phone_number": "+44 20 7946 0958"}
    klaviyo.connector.deliver([profile(1, attributes=phone), profile(2)])
    (outcome,) = klaviyo.connector.deliver([profile(2, attributes={**phone, "last_name": "Jones"})])
    assert isinstance(outcome, Delivered)
    assert outcome.result["conflicts_with"]
    assert "phone_number" in outcome.result["left_out"][0]
    assert "7946" not in str(outcome.result)
    assert _known(klaviyo, "kim2@example.com")["last_name"] == "Jones"
    assert _known(klaviyo, "kim1@example.com")["phone_number"] == "+442079460958"


def test_a_phone_number_without_its_country_is_left_out(klaviyo: Account) -> None:
    (outcome,) = klaviyo.connector.deliver([profile(1, attributes={"phone_number": "020 7946 0958"})])
    assert isinstance(outcome, Delivered)
    assert "phone_number" in outcome.result["left_out"][0]
    assert "phone_number" not in klaviyo.bodies(ONE)[0]["data"]["attributes"]


def test_a_profile_of_nobody_is_refused_before_it_is_sent(klaviyo: Account) -> None:
    (outcome,) = klaviyo.connector.deliver([profile(1, identifiers={"phone_number": "0161"})])
    assert isinstance(outcome, Refused)
    assert klaviyo.exchanges == []


def test_a_profile_larger_than_the_vendor_takes_is_cut_and_said_so(klaviyo: Account) -> None:
    properties = {"Note": "x" * 60_000, "Other": "y" * 60_000, "Kept": True}
    (outcome,) = klaviyo.connector.deliver([profile(1, properties=properties)])
    assert isinstance(outcome, Delivered)
    assert outcome.result["left_out"]
    assert _known(klaviyo, "kim1@example.com")["properties"]["Kept"] is True


def test_in_doubt_can_be_looked_up(klaviyo: Account) -> None:
    plus = profile(1, identifiers={"email": "kim+jl@example.com"})
    assert klaviyo.connector.resolve(plus) == NotThere()
    klaviyo.connector.deliver([plus])
    assert isinstance(klaviyo.connector.resolve(plus), Delivered)
    changed = profile(1, identifiers={"email": "kim+jl@example.com"}, attributes={"first_name": "Kimberley"})
    assert klaviyo.connector.resolve(changed) == NotThere()


def test_a_throttled_profile_waits(klaviyo: Account) -> None:
    klaviyo.faults({"kind": "throttle", "path": ONE, "remaining": 1, "retry_after": 3})
    first, second = klaviyo.connector.deliver([profile(1), profile(2)])
    assert first == second
    assert isinstance(first, Postponed)
    assert first.after == 3.0


def test_profiles_come_in_large_batches(klaviyo: Account) -> None:
    assert klaviyo.connector.batch_limit(EffectKind.UPSERT_PROFILE, Lane.PROFILES) == 1000
