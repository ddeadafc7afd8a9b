"""Two fixed windows per endpoint, shared by all keys of the account."""

from __future__ import annotations

from marketplace_sync_tests.sandbox.klaviyo_caller import Caller, account, errors, event, resource


def _until_refused(caller: Caller, path: str, most: int, **query: str) -> int:
    """How many requests pass before one is refused."""
    for number in range(most):
        if caller.get(path, **query).status_code == 429:
            return number
    return most


def test_the_burst_window_is_one_second_and_fixed() -> None:
    with account() as caller:
        assert _until_refused(caller, "/api/metrics", 30) == 10
        refused = caller.get("/api/metrics")
        assert refused.headers["retry-after"] == "1"
        assert errors(refused, 429)[0]["code"] == "throttled"
        caller.advance(1)
        assert _until_refused(caller, "/api/metrics", 30) == 10, "a window does not slide: all ten are back at once"


def test_the_steady_window_is_sixty_seconds_and_retry_after_names_its_end() -> None:
    with account() as caller:
        for _ in range(15):
            assert caller.get("/api/accounts").status_code == 200
            caller.advance(1)
        refused = caller.get("/api/accounts")
        assert refused.headers["retry-after"] == "45"
        assert refused.headers["retry-after"] in errors(refused, 429)[0]["detail"]
        caller.advance(int(refused.headers["retry-after"]))
        assert caller.get("/api/accounts").status_code == 200


def test_quota_headers_describe_the_steady_window_and_vanish_on_429() -> None:
    with account() as caller:
        first = caller.get("/api/metrics")
        assert first.headers["ratelimit-limit"] == "150"
        assert first.headers["ratelimit-remaining"] == "149"
        assert first.headers["ratelimit-reset"] == "60"
        caller.advance(10)
        second = caller.get("/api/metrics")
        assert (second.headers["ratelimit-remaining"], second.headers["ratelimit-reset"]) == ("148", "50")
        _until_refused(caller, "/api/metrics", 30)
        refused = caller.get("/api/metrics")
        assert not [name for name in refused.headers if name.startswith("ratelimit")]
        assert caller.get("/api/metrics/none").headers["ratelimit-limit"] == "150", "errors carry them as well"


def test_endpoints_have_windows_of_their_own() -> None:
    with account() as caller:
        _until_refused(caller, "/api/accounts", 5)
        assert caller.get("/api/metrics").status_code == 200


def test_a_refused_request_changes_nothing_and_uses_up_nothing() -> None:
    with account() as caller:
        body = resource("list", {"name": "Throttled"})
        statuses = [caller.post("/api/lists", body).status_code for _ in range(13)]
        assert statuses == [201] * 10 + [429] * 3
        assert sum(one["name"] == "Throttled" for one in caller.kept("lists")) == 10
        assert caller.act("requests")["refused"]["POST /api/lists"] == 3


def test_some_endpoints_have_a_daily_window_too() -> None:
    with account() as caller:
        body = resource("list", {"name": "Daily"})
        for _ in range(15):
            assert [caller.post("/api/lists", body).status_code for _ in range(10)] == [201] * 10
            caller.advance(61)
        refused = caller.post("/api/lists", body)
        assert int(refused.headers["retry-after"]) == 86_400 - 15 * 61


def test_costly_additions_have_lower_limits() -> None:
    with account() as caller:
        caller.post("/api/profile-import", resource("profile", {"email": "kim@example.com"}))
        key = caller.profile("kim@example.com")["id"]
        extra = {"additional-fields[profile]": "predictive_analytics"}
        assert _until_refused(caller, "/api/profiles", 30, **extra) == 10
        assert caller.get("/api/profiles").status_code == 200
        assert _until_refused(caller, f"/api/profiles/{key}", 10, include="lists") == 1
        assert _until_refused(caller, "/api/lists/SbxNws", 10, **{"additional-fields[list]": "profile_count"}) == 1


def test_retry_after_can_be_left_out() -> None:
    with account(drop_retry_after=True) as caller:
        _until_refused(caller, "/api/metrics", 30)
        refused = caller.get("/api/metrics")
        assert "retry-after" not in refused.headers
        assert "available in 1 second" in errors(refused, 429)[0]["detail"]


def test_limits_can_be_scaled_and_switched_off() -> None:
    with account(rate_scale=2.0) as caller:
        assert _until_refused(caller, "/api/metrics", 40) == 20
    with account(rate_limits=False) as caller:
        assert _until_refused(caller, "/api/metrics", 40) == 40


def test_all_keys_of_an_account_share_its_quota() -> None:
    with account(more_keys={"pk_second": None}) as caller:
        other = {"authorization": "Klaviyo-API-Key pk_second"}
        for _ in range(5):
            assert caller.get("/api/metrics").status_code == 200
            assert caller.send("GET", "/api/metrics", headers=other).status_code == 200
        assert caller.get("/api/metrics").status_code == 429


def test_another_client_on_the_account_takes_its_share() -> None:
    with account() as caller:
        caller.act("add_competitor_load", endpoint="GET /api/metrics", per_second=6)
        assert _until_refused(caller, "/api/metrics", 30) == 4
        caller.advance(1)
        assert int(caller.get("/api/metrics").headers["ratelimit-remaining"]) <= 150 - 6 - 5
        caller.act("add_competitor_load", endpoint="GET /api/metrics", per_second=0)
        caller.advance(60)
        assert _until_refused(caller, "/api/metrics", 30) == 10


def test_events_pass_at_the_documented_rate_and_not_above_it() -> None:
    with account() as caller:
        statuses = [caller.post("/api/events", event(), judge=False).status_code for _ in range(360)]
        assert statuses == [202] * 350 + [429] * 10
