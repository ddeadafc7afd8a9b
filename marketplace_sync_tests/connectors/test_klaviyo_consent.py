"""Consent: an opt-in reaches Klaviyo as it was given, and nobody who has left is ever brought back by an old one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from marketplace_sync.domain.effects import Delivered, EffectKind, InDoubt, Lane, NotThere, Postponed, Refused
from marketplace_sync_tests.connectors.klaviyo_account import NOW, Account, account, consent, eventually, profile

SUBSCRIBE = "/api/profile-subscription-bulk-create-jobs"
UNSUBSCRIBE = "/api/profile-subscription-bulk-delete-jobs"
OUT = EffectKind.UNSUBSCRIBE
YES = Delivered({"subscribed": True})


@pytest.fixture
def klaviyo() -> Iterator[Account]:
    with account({"visibility_delay": 0.0, "job_seconds": 0.0}) as opened:
        yield opened


def _state(klaviyo: Account, number: int) -> dict[str, Any]:
    """What the vendor's own people see; nothing while it has not made the profile yet."""
    email = f"kim{number}@example.com"
    if email not in [one.get("email") for one in klaviyo.stored("profiles")]:
        return {"consent": "no profile", "lists": []}
    found: dict[str, Any] = klaviyo.sandbox.act("klaviyo", "consent_of", email=email)
    return found


def _becomes(klaviyo: Account, number: int, expected: str) -> bool:
    return eventually(lambda: bool(_state(klaviyo, number)["consent"] == expected))


def test_an_opt_in_is_told_as_history_with_its_own_time_and_asks_nobody_again(klaviyo: Account) -> None:
    """The simulated account asks for confirmation by default."""
    klaviyo.connector.deliver([profile(1)])
    assert klaviyo.connector.deliver([consent(1)]) == [YES]
    assert _becomes(klaviyo, 1, "SUBSCRIBED")
    sent = klaviyo.bodies(SUBSCRIBE)[0]["data"]["attributes"]
    assert (sent["historical_import"], sent["custom_source"]) == (True, "John Lewis")
    assert klaviyo.stored("confirmation_messages") == []


def test_a_person_the_vendor_does_not_know_yet_is_subscribed_too(klaviyo: Account) -> None:
    assert klaviyo.connector.deliver([consent(1)]) == [YES]
    assert _becomes(klaviyo, 1, "SUBSCRIBED")


def test_somebody_who_left_in_klaviyo_stays_away(klaviyo: Account) -> None:
    klaviyo.connector.deliver([profile(1), profile(2)])
    klaviyo.sandbox.act("klaviyo", "unsubscribe", email="kim1@example.com")
    left, stays = klaviyo.connector.deliver([consent(1), consent(2)])
    assert isinstance(left, Delivered)
    assert left.result["subscribed"] is False
    assert "unsubscribed" in left.result["because"]
    assert stays == YES
    assert _becomes(klaviyo, 2, "SUBSCRIBED")
    assert _state(klaviyo, 1)["consent"] == "UNSUBSCRIBED"
    assert "kim1" not in klaviyo.calls(SUBSCRIBE)[0].request_body.decode()


@pytest.mark.parametrize("act", ["suppress", "bounce", "complain"])
@pytest.mark.parametrize("after_opt_out", [False, True])
def test_no_suppression_is_ever_lifted(klaviyo: Account, act: str, after_opt_out: bool) -> None:
    klaviyo.connector.deliver([profile(1)])
    klaviyo.sandbox.act("klaviyo", act, email="kim1@example.com")
    later = consent(1, consented_at=NOW + timedelta(seconds=30), after_opt_out=after_opt_out)
    (outcome,) = klaviyo.connector.deliver([later])
    assert isinstance(outcome, Delivered)
    assert outcome.result["subscribed"] is False
    assert klaviyo.calls(SUBSCRIBE) == []


def test_a_new_opt_in_after_a_known_opt_out_counts_and_an_old_one_does_not(klaviyo: Account) -> None:
    klaviyo.connector.deliver([consent(1, OUT)])
    assert _becomes(klaviyo, 1, "UNSUBSCRIBED")
    for too_early in (consent(1, after_opt_out=True), consent(1, consented_at=NOW + timedelta(seconds=60))):
        (outcome,) = klaviyo.connector.deliver([too_early])
        assert isinstance(outcome, Delivered)
        assert outcome.result["subscribed"] is False
    klaviyo.sandbox.control("POST", "clock", {"advance_seconds": 7200})
    again = consent(1, consented_at=NOW + timedelta(hours=1), after_opt_out=True)
    assert klaviyo.connector.deliver([again]) == [YES]
    assert _becomes(klaviyo, 1, "SUBSCRIBED")


def test_who_is_subscribed_already_is_not_subscribed_again(klaviyo: Account) -> None:
    klaviyo.sandbox.act("klaviyo", "subscribe", email="kim1@example.com")
    assert klaviyo.connector.deliver([consent(1)]) == [Delivered({"subscribed": True, "already": True})]
    assert klaviyo.calls(SUBSCRIBE) == []


def test_people_join_the_list_of_the_connection_or_of_the_consent() -> None:
    with account({"job_seconds": 0.0}, list_id="SbxNws") as klaviyo:
        klaviyo.connector.deliver([consent(1), consent(2, list_id="SbxDoi"), consent(3)])
        for number, list_id in ((1, "SbxNws"), (2, "SbxDoi"), (3, "SbxNws")):
            assert eventually(lambda n=number, i=list_id: _state(klaviyo, n)["lists"] == [i])  # type: ignore[misc]
        assert len(klaviyo.calls(SUBSCRIBE)) == 2


def test_who_left_the_list_is_not_put_back_on_it(klaviyo: Account) -> None:
    klaviyo.connector.deliver([consent(1, list_id="SbxNws")])
    assert eventually(lambda: _state(klaviyo, 1)["lists"] == ["SbxNws"])
    klaviyo.sandbox.act("klaviyo", "unsubscribe", email="kim1@example.com", list_id="SbxNws")
    (outcome,) = klaviyo.connector.deliver([consent(1, list_id="SbxNws")])
    assert isinstance(outcome, Delivered)
    assert outcome.result["subscribed"] is False


def test_an_opt_out_reaches_everything_also_for_people_the_vendor_does_not_know(klaviyo: Account) -> None:
    klaviyo.connector.deliver([consent(1)])
    assert _becomes(klaviyo, 1, "SUBSCRIBED")
    assert klaviyo.connector.deliver([consent(1, OUT), consent(2, OUT)]) == [Delivered({"subscribed": False})] * 2
    assert _becomes(klaviyo, 1, "UNSUBSCRIBED")
    assert _becomes(klaviyo, 2, "UNSUBSCRIBED")
    assert klaviyo.connector.deliver([consent(1, OUT)]) == [Delivered({"subscribed": False, "already": True})]
    assert len(klaviyo.calls(UNSUBSCRIBE)) == 1


def test_an_opt_out_of_a_list_does_not_become_one_of_everything(klaviyo: Account) -> None:
    klaviyo.connector.deliver([consent(1), consent(2, list_id="SbxNws")])
    assert _becomes(klaviyo, 1, "SUBSCRIBED")
    assert _becomes(klaviyo, 2, "SUBSCRIBED")
    outside, member = klaviyo.connector.deliver([consent(1, OUT, list_id="SbxNws"), consent(2, OUT, list_id="SbxNws")])
    assert outside == Delivered({"subscribed": False, "already": True})
    assert member == Delivered({"subscribed": False})
    assert eventually(lambda: _state(klaviyo, 2)["lists"] == [])
    assert _state(klaviyo, 1)["consent"] == "SUBSCRIBED"


def test_one_bad_address_does_not_stop_the_others(klaviyo: Account) -> None:
    effects = [consent(number) for number in range(1, 41)]
    effects[7] = consent(8, identifiers={"email": "no address"})
    effects[9] = consent(10, identifiers={"external_id": "mkt-10"})
    outcomes = klaviyo.connector.deliver(effects)
    assert [index for index, outcome in enumerate(outcomes) if outcome != YES] == [7, 9]
    assert isinstance(outcomes[7], Refused)
    assert isinstance(outcomes[9], Refused)
    assert _becomes(klaviyo, 40, "SUBSCRIBED")


def test_a_person_who_comes_twice_is_sent_once(klaviyo: Account) -> None:
    effects = [consent(1), consent(1, identifiers={"email": " KIM1@example.com"})]
    assert klaviyo.connector.deliver(effects) == [YES, YES]
    assert len(klaviyo.bodies(SUBSCRIBE)[0]["data"]["attributes"]["profiles"]["data"]) == 1


def test_without_knowing_the_state_nothing_is_sent(klaviyo: Account) -> None:
    klaviyo.faults({"kind": "status", "status": 503, "path": "/api/profiles", "retry_after": None})
    (outcome,) = klaviyo.connector.deliver([consent(1)])
    assert isinstance(outcome, Postponed)
    assert klaviyo.calls(SUBSCRIBE) == []


def test_a_lost_answer_is_looked_up_before_anything_is_repeated(klaviyo: Account) -> None:
    klaviyo.faults({"kind": "lost_answer", "path": SUBSCRIBE, "remaining": 1})
    (outcome,) = klaviyo.connector.deliver([consent(1)])
    assert isinstance(outcome, InDoubt)
    assert not klaviyo.connector.is_idempotent(EffectKind.SUBSCRIBE)
    assert eventually(lambda: klaviyo.connector.resolve(consent(1)) == YES)
    assert klaviyo.connector.resolve(consent(2)) == NotThere()
    assert klaviyo.connector.resolve(consent(1, OUT)) == NotThere()


def test_the_vendor_takes_a_hundred_people_at_a_time(klaviyo: Account) -> None:
    assert klaviyo.connector.batch_limit(OUT, Lane.PROFILES) == 100
    outcomes = klaviyo.connector.deliver([consent(number) for number in range(1, 151)])
    assert outcomes == [YES] * 150
    assert len(klaviyo.calls(SUBSCRIBE)) == 2
