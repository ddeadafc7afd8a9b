"""The consent machine: subscribing, confirming, unsubscribing, suppressing, and what can be read of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marketplace_sync_tests.sandbox.klaviyo_caller import Caller, Json, account, errors, event, pointers, resource

SUBSCRIBE = "/api/profile-subscription-bulk-create-jobs"
UNSUBSCRIBE = "/api/profile-subscription-bulk-delete-jobs"
SUPPRESS = "/api/profile-suppression-bulk-create-jobs"
LIFT = "/api/profile-suppression-bulk-delete-jobs"
AT = "/data/attributes/profiles/data/0/attributes"
KIM = "kim@example.com"


@pytest.fixture
def caller() -> Iterator[Caller]:
    with account(rate_limits=False) as found:
        yield found


def _row(email: str | None, consent: str, consented_at: str | None = None, **attributes: object) -> Json:
    marketing = {"consent": consent, **({"consented_at": consented_at} if consented_at else {})}
    given: Json = {"subscriptions": {"email": {"marketing": marketing}}, **attributes}
    if email is not None:
        given["email"] = email
    return {"type": "profile", "attributes": given}


def _job(kind: str, *rows: Json, list_id: str | None = None, **attributes: object) -> Json:
    extra = {"relationships": {"list": {"data": {"type": "list", "id": list_id}}}} if list_id else {}
    return resource(f"profile-subscription-bulk-{kind}-job", {"profiles": {"data": list(rows)}, **attributes}, **extra)


def _subscribe(caller: Caller, email: str = KIM, list_id: str | None = "SbxNws", **attributes: object) -> None:
    answer = caller.post(SUBSCRIBE, _job("create", _row(email, "SUBSCRIBED"), list_id=list_id, **attributes))
    assert (answer.status_code, answer.content) == (202, b"")
    caller.settle()


def _unsubscribe(caller: Caller, email: str = KIM, list_id: str | None = None) -> None:
    answer = caller.post(UNSUBSCRIBE, _job("delete", _row(email, "UNSUBSCRIBED"), list_id=list_id))
    assert (answer.status_code, answer.content) == (202, b"")
    caller.settle()


def _marketing(caller: Caller, email: str = KIM) -> Json:
    found: Json = caller.profile(email, subscriptions=True)["attributes"]["subscriptions"]["email"]["marketing"]
    return found


def _suppression(kind: str, *emails: str, **related: str) -> Json:
    rows = [{"type": "profile", "attributes": {"email": one}} for one in emails]
    attributes = {"profiles": {"data": rows}} if emails else {}
    relations = {name: {"data": {"type": name, "id": key}} for name, key in related.items()}
    extra = {"relationships": relations} if related else {}
    return resource(f"profile-suppression-bulk-{kind}-job", attributes, **extra)


def test_single_opt_in_subscribes_later_and_puts_on_the_list(caller: Caller) -> None:
    caller.post(SUBSCRIBE, _job("create", _row(KIM, "SUBSCRIBED"), list_id="SbxNws", custom_source="Marketplace"))
    assert caller.read("/api/profiles")["data"] == [], "accepted is not done"
    caller.settle()
    shown = _marketing(caller)
    assert (shown["consent"], shown["can_receive_email_marketing"]) == ("SUBSCRIBED", True)
    assert (shown["method"], shown["method_detail"]) == ("API", "SbxNws")
    assert (shown["custom_method_detail"], shown["double_optin"]) == ("Marketplace", False)
    assert caller.act("consent_of", email=KIM)["lists"] == ["SbxNws"]
    assert caller.kept("confirmation_messages") == []


def test_double_opt_in_stays_pending_until_confirmed(caller: Caller) -> None:
    _subscribe(caller, list_id="SbxDoi")
    assert _marketing(caller)["consent"] == "NEVER_SUBSCRIBED"
    state = caller.act("consent_of", email=KIM)
    assert (state["lists"], len(state["pending"])) == ([], 1)
    assert [(one["email"], one["list"]) for one in caller.kept("confirmation_messages")] == [(KIM, "SbxDoi")]
    caller.act("confirm_double_opt_in", email=KIM)
    shown = _marketing(caller)
    assert (shown["consent"], shown["double_optin"]) == ("SUBSCRIBED", True)
    state = caller.act("consent_of", email=KIM)
    assert (state["lists"], state["pending"]) == (["SbxDoi"], [])
    with pytest.raises(ValueError, match="not asked to confirm"):
        caller.act("confirm_double_opt_in", email=KIM)


def test_without_a_list_the_accounts_default_decides() -> None:
    for default, consent in (("double_opt_in", "NEVER_SUBSCRIBED"), ("single_opt_in", "SUBSCRIBED")):
        with account(default_opt_in=default) as caller:
            _subscribe(caller, list_id=None)
            assert _marketing(caller)["consent"] == consent


def test_a_historical_import_is_immediate_sends_no_confirmation_and_starts_no_list_flow() -> None:
    flows = ["Newsletter", "Newsletter with confirmation"]
    with account(live_list_flows=flows) as caller:
        row = _row(KIM, "SUBSCRIBED", "2024-05-01T10:00:00Z")
        caller.post(SUBSCRIBE, _job("create", row, list_id="SbxDoi", historical_import=True))
        caller.settle()
        shown = _marketing(caller)
        assert (shown["consent"], shown["consent_timestamp"]) == ("SUBSCRIBED", "2024-05-01T10:00:00+00:00")
        assert (caller.kept("confirmation_messages"), caller.kept("flow_messages")) == ([], [])
        assert caller.act("consent_of", email=KIM)["lists"] == ["SbxDoi"]
        _subscribe(caller, "sam@example.com", "SbxNws")
        assert [one["email"] for one in caller.kept("flow_messages")] == ["sam@example.com"]


def test_consented_at_goes_with_historical_import_and_only_with_it(caller: Caller) -> None:
    at = f"{AT}/subscriptions/email/marketing/consented_at"
    body = _job("create", _row(KIM, "SUBSCRIBED", "2024-05-01T10:00:00Z"))
    assert pointers(caller.post(SUBSCRIBE, body)) == [at]
    body = _job("create", _row(KIM, "SUBSCRIBED"), historical_import=True)
    assert pointers(caller.post(SUBSCRIBE, body)) == [at]
    for moment in ("2033-05-01T10:00:00Z", "then"):
        body = _job("create", _row(KIM, "SUBSCRIBED", moment), historical_import=True)
        assert pointers(caller.post(SUBSCRIBE, body)) == [at]
    caller.settle()
    assert caller.kept("consents") == []


def test_subscribing_removes_suppressions_but_not_those_of_bounces(caller: Caller) -> None:
    _subscribe(caller)
    caller.act("unsubscribe", email=KIM)
    caller.act("suppress", email=KIM)
    caller.act("bounce", email=KIM)
    reasons = [one["reason"] for one in _marketing(caller)["suppression"]]
    assert reasons == ["UNSUBSCRIBE", "USER_SUPPRESSED", "HARD_BOUNCE"]
    _subscribe(caller)
    shown = _marketing(caller)
    assert [one["reason"] for one in shown["suppression"]] == ["HARD_BOUNCE"]
    assert (shown["consent"], shown["can_receive_email_marketing"]) == ("SUBSCRIBED", False)


def test_an_old_consent_row_sent_again_resubscribes_somebody_who_opted_out(caller: Caller) -> None:
    row = _row(KIM, "SUBSCRIBED", "2024-05-01T10:00:00Z")
    caller.post(SUBSCRIBE, _job("create", row, historical_import=True))
    caller.settle()
    caller.act("complain", email=KIM)
    assert _marketing(caller)["consent"] == "UNSUBSCRIBED"
    caller.post(SUBSCRIBE, _job("create", row, historical_import=True))
    caller.settle()
    assert _marketing(caller)["can_receive_email_marketing"] is True


def test_unsubscribing_from_a_list_keeps_the_rest_for_its_members(caller: Caller) -> None:
    _subscribe(caller)
    _unsubscribe(caller, list_id="SbxNws")
    shown = _marketing(caller)
    assert shown["consent"] == "SUBSCRIBED"
    assert [one["list_id"] for one in shown["list_suppressions"]] == ["SbxNws"]
    assert caller.act("consent_of", email=KIM)["lists"] == []
    _subscribe(caller)
    assert _marketing(caller)["list_suppressions"] == []


def test_unsubscribing_from_a_list_falls_through_to_global_for_everybody_else(caller: Caller) -> None:
    _subscribe(caller)
    _unsubscribe(caller, list_id="SbxDoi")
    shown = _marketing(caller)
    assert (shown["consent"], shown["can_receive_email_marketing"]) == ("UNSUBSCRIBED", False)
    assert [one["reason"] for one in shown["suppression"]] == ["UNSUBSCRIBE"]
    _unsubscribe(caller, "stranger@example.com", "SbxNws")
    assert _marketing(caller, "stranger@example.com")["consent"] == "UNSUBSCRIBED"


def test_unsubscribing_without_a_list_is_global(caller: Caller) -> None:
    _subscribe(caller)
    _unsubscribe(caller)
    assert _marketing(caller)["consent"] == "UNSUBSCRIBED"


def test_somebody_who_never_subscribed_can_be_written_to_until_suppressed(caller: Caller) -> None:
    caller.post("/api/events", event())
    caller.settle()
    shown = _marketing(caller)
    assert (shown["consent"], shown["can_receive_email_marketing"]) == ("NEVER_SUBSCRIBED", True)
    caller.act("suppress", email=KIM)
    shown = _marketing(caller)
    assert (shown["consent"], shown["can_receive_email_marketing"]) == ("NEVER_SUBSCRIBED", False)


def test_requests_take_a_thousand_and_a_hundred_profiles(caller: Caller) -> None:
    rows = [_row(f"p{number}@example.com", "SUBSCRIBED") for number in range(1_001)]
    assert pointers(caller.post(SUBSCRIBE, _job("create", *rows))) == ["/data/attributes/profiles/data"]
    assert caller.post(SUBSCRIBE, _job("create", *rows[:1_000], list_id="SbxNws")).status_code == 202
    rows = [_row(f"p{number}@example.com", "UNSUBSCRIBED") for number in range(101)]
    assert pointers(caller.post(UNSUBSCRIBE, _job("delete", *rows))) == ["/data/attributes/profiles/data"]
    assert caller.post(UNSUBSCRIBE, _job("delete", *rows[:100])).status_code == 202
    caller.settle()
    subscribed = sum(one["channels"]["email.marketing"]["consent"] == "SUBSCRIBED" for one in caller.kept("consents"))
    assert subscribed == 900


def test_rows_need_the_identifier_of_their_channel_and_a_known_list(caller: Caller) -> None:
    sms = {"sms": {"marketing": {"consent": "SUBSCRIBED"}}}
    for row, pointer in (
        ({"email": KIM, "subscriptions": sms}, f"{AT}/phone_number"),
        ({"phone_number": "+447700900123", "subscriptions": {"email": {"marketing": {"consent": "SUBSCRIBED"}}}},
         f"{AT}/email"),
        ({"email": KIM, "subscriptions": {}}, f"{AT}/subscriptions"),
        ({"email": KIM}, f"{AT}/subscriptions"),
        ({"email": "kim", "subscriptions": sms}, f"{AT}/email"),
        ({"email": KIM, "subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}},
         f"{AT}/subscriptions/email/marketing/consent"),
    ):  # fmt: skip
        body = _job("create", {"type": "profile", "attributes": row})
        assert pointers(caller.post(SUBSCRIBE, body)) == [pointer]
    body = _job("create", _row(KIM, "SUBSCRIBED"), list_id="none")
    assert pointers(caller.post(SUBSCRIBE, body)) == ["/data/relationships/list/data/id"]


def test_text_messages_have_a_consent_of_their_own_and_may_need_an_age(caller: Caller) -> None:
    sms = {"sms": {"marketing": {"consent": "SUBSCRIBED"}, "transactional": {"consent": "SUBSCRIBED"}}}
    row = {"type": "profile", "attributes": {"phone_number": "+447700900123", "email": KIM, "subscriptions": sms}}
    caller.post(SUBSCRIBE, _job("create", row, list_id="SbxNws"))
    caller.settle()
    subscriptions = caller.profile(KIM, subscriptions=True)["attributes"]["subscriptions"]
    assert subscriptions["sms"]["marketing"]["can_receive_sms_marketing"] is True
    assert subscriptions["sms"]["transactional"]["consent"] == "SUBSCRIBED"
    assert subscriptions["email"]["marketing"]["consent"] == "NEVER_SUBSCRIBED"
    gone = {"sms": {"marketing": {"consent": "UNSUBSCRIBED"}}}
    row = {"type": "profile", "attributes": {"phone_number": "+447700900123", "subscriptions": gone}}
    caller.post(UNSUBSCRIBE, _job("delete", row))
    caller.settle()
    subscriptions = caller.profile(KIM, subscriptions=True)["attributes"]["subscriptions"]
    assert subscriptions["sms"]["marketing"]["consent"] == "UNSUBSCRIBED"
    assert subscriptions["email"]["marketing"]["suppression"] == []
    with account(age_gating=True) as strict:
        row = {"type": "profile", "attributes": {"phone_number": "+447700900123", "subscriptions": sms}}
        assert pointers(strict.post(SUBSCRIBE, _job("create", row))) == [f"{AT}/age_gated_date_of_birth"]


def test_click_tracking_came_with_the_newest_revision(caller: Caller) -> None:
    both = {"open_tracking": {"consent": "SUBSCRIBED"}, "click_tracking": {"consent": "SUBSCRIBED"}}
    row = {"type": "profile", "attributes": {"email": KIM, "subscriptions": {"email": both}}}
    answer = caller.post(SUBSCRIBE, _job("create", row), headers={"revision": "2026-07-15"}, judge=False)
    assert pointers(answer) == [f"{AT}/subscriptions/email/click_tracking"]
    assert caller.post(SUBSCRIBE, _job("create", row)).status_code == 202
    caller.settle()
    shown = caller.profile(KIM, subscriptions=True)["attributes"]["subscriptions"]["email"]
    assert shown["click_tracking"]["consent"] == "SUBSCRIBED"
    caller.revision = "2026-07-15"
    assert "click_tracking" not in caller.profile(KIM, subscriptions=True)["attributes"]["subscriptions"]["email"]


def test_suppressing_is_a_job_with_counts_and_is_lifted_only_where_people_did_it(caller: Caller) -> None:
    for email in (KIM, "sam@example.com"):
        caller.post("/api/profile-import", resource("profile", {"email": email}))
    caller.act("bounce", email="sam@example.com")
    caller.act("suppress", email="sam@example.com")
    answer = caller.post(SUPPRESS, _suppression("create", KIM, "sam@example.com", "new@example.com"))
    assert answer.status_code == 202
    here = f"{SUPPRESS}/{answer.json()['data']['id']}"
    assert caller.read(here)["data"]["attributes"]["status"] == "queued"
    caller.settle()
    attributes = caller.read(here)["data"]["attributes"]
    assert (attributes["status"], attributes["total_count"]) == ("complete", 3)
    assert (attributes["completed_count"], attributes["skipped_count"]) == (2, 1)
    assert _marketing(caller, "new@example.com")["can_receive_email_marketing"] is False
    answer = caller.post(LIFT, _suppression("delete", KIM, "sam@example.com", "stranger@example.com"))
    caller.settle()
    attributes = caller.read(f"{LIFT}/{answer.json()['data']['id']}")["data"]["attributes"]
    assert (attributes["completed_count"], attributes["skipped_count"]) == (2, 1)
    assert _marketing(caller)["suppression"] == []
    assert [one["reason"] for one in _marketing(caller, "sam@example.com")["suppression"]] == ["HARD_BOUNCE"]
    assert len(caller.read(SUPPRESS, filter='equals(status,"complete")')["data"]) == 1
    assert len(caller.read(LIFT, sort="-created")["data"]) == 1


def test_suppressing_takes_a_hundred_addresses_or_one_list_or_one_segment(caller: Caller) -> None:
    many = [f"p{number}@example.com" for number in range(101)]
    assert pointers(caller.post(SUPPRESS, _suppression("create", *many))) == ["/data/attributes/profiles/data"]
    assert pointers(caller.post(SUPPRESS, _suppression("create"))) == ["/data"]
    assert pointers(caller.post(SUPPRESS, _suppression("create", KIM, list="SbxNws"))) == ["/data"]
    assert pointers(caller.post(SUPPRESS, _suppression("delete", KIM))) == ["/data/type"]
    wrong = caller.post(SUPPRESS, _suppression("create", list="none"))
    assert pointers(wrong) == ["/data/relationships/list/data/id"]
    _subscribe(caller)
    answer = caller.post(SUPPRESS, _suppression("create", list="SbxNws"))
    caller.settle()
    assert _marketing(caller)["can_receive_email_marketing"] is False
    assert len(caller.read(SUPPRESS, filter='equals(list_id,"SbxNws")')["data"]) == 1
    related = caller.read(f"{SUPPRESS}/{answer.json()['data']['id']}")["data"]["relationships"]["lists"]["data"]
    assert related == [{"type": "list", "id": "SbxNws"}]
    caller.post(LIFT, _suppression("delete", segment="SbxSub"))
    caller.settle()
    assert _marketing(caller)["can_receive_email_marketing"] is True


def test_opt_outs_can_be_polled_by_suppression_time_and_by_update(caller: Caller) -> None:
    for email in (KIM, "sam@example.com", "lou@example.com"):
        _subscribe(caller, email)
    before = caller.profile(KIM)["attributes"]["updated"]
    caller.advance(3_600)
    caller.act("unsubscribe", email="sam@example.com")
    caller.advance(60)
    caller.act("unsubscribe", email=KIM, list_id="SbxNws")
    marketing = "subscriptions.email.marketing"

    def found(filter: str, **query: str) -> list[str]:
        return [one["attributes"]["email"] for one in caller.every("/api/profiles", filter=filter, **query)]

    assert found(f'equals({marketing}.suppression.reason,"UNSUBSCRIBE")') == ["sam@example.com"]
    assert found(f"greater-or-equal({marketing}.suppression.timestamp,{before})") == ["sam@example.com"]
    assert found(f'equals({marketing}.list_suppressions.list_id,"SbxNws")') == [KIM]
    assert found(f'equals({marketing}.list_suppressions.reason,"UNSUBSCRIBE")') == [KIM]
    assert found(f"greater-than(updated,{before})", sort="updated") == ["lou@example.com", "sam@example.com", KIM]
    newest = caller.read("/api/profiles", sort=f"-{marketing}.suppression.timestamp")["data"][0]
    assert newest["attributes"]["email"] == "sam@example.com"


def test_every_change_of_consent_is_kept_with_its_reason(caller: Caller) -> None:
    _subscribe(caller, custom_source="Marketplace")
    caller.act("unsubscribe", email=KIM)
    changes = [(one["what"], one.get("source"), one.get("method")) for one in caller.kept("consent_changes")]
    assert changes == [
        ("SUBSCRIBED", "Marketplace", None),
        ("UNSUBSCRIBED", None, "PREFERENCE_PAGE"),
        ("SUPPRESSED", None, None),
    ]


def test_acts_say_when_there_is_nobody(caller: Caller) -> None:
    for act in ("unsubscribe", "suppress", "bounce", "complain", "consent_of", "confirm_double_opt_in"):
        with pytest.raises(ValueError, match="no profile has"):
            caller.act(act, email="nobody@example.com")
    assert caller.act("subscribe", email="New@Example.com", list_id="SbxNws")["consent"] == "SUBSCRIBED"
    with pytest.raises(ValueError, match="no list"):
        caller.act("subscribe", email=KIM, list_id="none")
    assert errors(caller.get("/api/lists/none"), 404)
