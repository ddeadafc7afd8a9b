"""Which test holds which rule of the simulations: the rules of each vendor's sheet, by number, in our words.

A rule that no test names is a rule that nobody would miss.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest

from marketplace_sync_tests.sandbox.rules_of_magento import MAGENTO

HERE = Path(__file__).parent
FOLDER = os.environ.get("MARKETPLACE_SYNC_CONTRACTS", "")

MIRAKL = {
    1: (
        "operators differ by their settings",
        "test_accounts_differ",
        "test_a_setting_that_does_not_exist_is_named",
        "test_the_email_policy_is_the_operators",
        "test_addresses_may_be_shown_before_the_order_is_accepted",
        "test_with_automatic_acceptance_and_late_payment_an_order_is_first_seen_in_shipping",
        "test_mixed_answers_may_be_disabled",
        "test_prices_without_tax_have_tax_lines_and_refunds_must_name_theirs",
        "test_shipments_need_a_platform_that_has_them",
        "test_an_operator_without_returns_has_none",
        "test_unregistered_carriers_may_be_forbidden",
    ),
    2: (
        "time accepts, charges, cancels, receives and closes",
        "test_silence_past_the_deadline_refuses_the_order_and_gives_the_stock_back",
        "test_the_debit_confirms_itself_in_two_steps",
        "test_an_order_that_is_never_paid_is_cancelled",
        "test_time_receives_and_closes_and_a_closed_order_takes_no_refund",
    ),
    3: (
        "every change moves the time of change; the window reaches back; one second may lie on two pages",
        "test_whatever_changes_an_order_moves_its_time_of_change",
        "test_the_server_subtracts_a_margin_from_the_update_window",
        "test_orders_changed_in_the_same_second_may_lie_on_both_sides_of_a_page",
    ),
    4: (
        "401, 404, 400 with a code, and errors inside a success",
        "test_a_wrong_key_is_401_and_so_is_a_bearer_prefix",
        "test_unknown_ids_are_404_in_json_and_foreign_shops_403",
        "test_acceptance_answers_every_line_once_and_only_while_it_is_waited_for",
        "test_failed_shipments_are_errors_in_a_201",
    ),
    5: (
        "published intervals are real, and faults strike after the write",
        "test_the_published_intervals_are_real_windows",
        "test_twenty_pages_of_transactions_a_minute",
        "test_a_status_is_answered_instead_of_the_vendor",
        "test_a_refund_whose_answer_was_lost_is_there_when_read_again",
        "test_a_truncated_answer_promises_more_than_it_brings",
    ),
    6: (
        "stock follows orders; imports wait, run and complete with rows that failed",
        "test_a_refusal_empties_the_offer_where_the_operator_says_so",
        "test_of24_resets_the_fields_that_were_not_sent",
        "test_a_price_import_replaces_everything_about_the_price_and_leaves_the_stock",
        "test_a_stock_import_waits_runs_and_completes_with_a_report_of_what_failed",
        "test_offers_with_errors_complete_and_say_which",
    ),
    7: (
        "commission, its tax and its return; the cycle pays to the penny",
        "test_every_line_brings_sale_shipping_commission_and_its_vat_pending_at_the_debit",
        "test_refunds_give_the_commission_back_pro_rata_and_in_the_end_exactly",
        "test_the_cycle_pays_what_its_lines_say_and_makes_a_document",
        "test_the_summary_of_a_cycle_adds_up",
    ),
    8: (
        "offset pages move, token pages stay",
        "test_a_live_offset_page_shifts_when_an_order_leaves_the_list",
        "test_token_pages_stay_as_they_were_when_rows_come_in_between",
    ),
    9: (
        "no address before shipping, a relay address for each order, a lost zero",
        "test_address_is_null_until_shipping_and_the_relay_address_is_new_for_each_order",
        "test_a_telephone_number_may_have_lost_its_zero",
    ),
    10: ("the same offers within a minute are one import", "test_the_same_offers_sent_twice_are_one_import"),
    11: ("fields and values that nobody knows", "test_fields_and_values_that_nobody_knows_appear"),
}

JOHN_LEWIS = {
    1: (
        "the Edge's paths, and the retailer's side to drive them",
        "test_an_order_has_the_documented_fields",
        "test_the_retailer_creates_an_order",
        "test_the_retailer_asks_to_cancel",
        "test_the_retailer_announces_and_withdraws_a_return",
    ),
    2: (
        "250 calls a minute and login, in words and without a header",
        "test_250_calls_a_minute_are_let_through_and_the_next_is_throttled",
        "test_a_throttled_answer_says_the_seconds_in_words_and_in_no_header",
    ),
    3: (
        "tokens of five minutes and four hours; Basic until switched off",
        "test_an_access_token_opens_for_five_minutes_of_sandbox_time",
        "test_a_refresh_token_gives_access_for_four_hours",
        "test_basic_is_accepted_until_it_is_switched_off",
        "test_wrong_credentials_are_unauthorised",
    ),
    4: (
        "a POST needs its slash, a GET does not",
        "test_a_post_without_the_trailing_slash_is_not_allowed",
        "test_reading_works_without_the_trailing_slash",
    ),
    5: (
        "409 while a product publishes; codes and lists of field errors",
        "test_a_product_that_publishes_answers_409_for_three_minutes",
        "test_an_unknown_product_is_not_found_with_its_code",
        "test_stock_without_its_field_is_refused_by_name",
    ),
    6: ("addresses in bodies lead elsewhere", "test_urls_in_bodies_point_to_a_host_that_is_not_the_apis"),
    7: (
        "newest first, so rows move while somebody pages",
        "test_the_newest_order_comes_first",
        "test_an_order_placed_while_paging_pushes_a_row_to_the_next_page",
        "test_an_acknowledgement_while_paging_pulls_a_row_out_of_reach",
    ),
    8: ("a dispatch that meets a cancellation wins", "test_a_dispatch_that_meets_a_cancellation_wins"),
    9: (
        "rows of quantity 0, tests, unknown statuses, further fields",
        "test_a_cancelled_line_keeps_its_row_with_quantity_0",
        "test_orders_may_be_tests",
        "test_an_order_may_arrive_in_an_unknown_status_and_becomes_new_later",
        "test_fields_may_appear_that_no_documentation_has",
    ),
    10: (
        "actions are checked: quantity, pair, carrier, edge",
        "test_a_quantity_above_what_is_open_is_refused",
        "test_an_unknown_pair_of_line_and_part_number_is_refused",
        "test_a_carrier_that_is_not_approved_is_refused",
        "test_an_edge_that_does_not_exist_is_refused",
    ),
    11: (
        "done at once, shown late when switched on",
        "test_a_dispatch_applies_at_once",
        "test_the_list_may_show_an_order_as_it_was_for_some_seconds",
    ),
    12: ("a stock number changes", "test_a_changed_stock_number_leaves_nothing_at_the_old_one"),
    13: ("a release answers 500 in HTML", "test_a_release_answers_500_in_html_for_its_minutes"),
    14: (
        "weekly reports and remittances, of what really happened, and wrong on demand",
        "test_on_monday_at_six_in_london_the_week_that_ended_is_published_once",
        "test_an_aggregate_report_has_a_day_and_a_product_per_row_and_no_order",
        "test_an_itemised_report_has_a_row_for_all_that_happened_to_a_line",
        "test_a_remittance_pays_every_purchase_order_once_when_it_is_due",
        "test_a_report_is_wrong_on_demand_and_the_control_state_says_how",
        "test_the_last_day_slips_into_the_next_report_on_demand",
    ),
    15: (
        "the same orders as files with their markers, wrong on demand",
        "test_an_order_is_a_file_that_says_the_same_and_its_marker",
        "test_a_marker_never_appears_before_a_file_that_is_whole",
        "test_a_checksum_is_wrong_on_demand_once",
        "test_a_marker_is_left_out_on_demand",
    ),
}

SHOPIFY = {
    1: (
        "versions, their fall forward, tokens, request ids",
        "test_the_shop_answers_with_the_version_asked_for_and_a_request_id",
        "test_a_version_that_is_too_old_falls_forward_silently_to_the_oldest",
        "test_a_wrong_token_gets_401_with_errors_as_a_text",
    ),
    2: ("tokens by client credentials expire", "test_client_credentials_are_exchanged_for_a_token_that_expires"),
    3: (
        "the schema decides, scalars insist",
        "test_what_the_schema_does_not_allow_gets_200_with_errors_and_no_data",
        "test_scalars_insist_on_their_form",
    ),
    4: (
        "cost, the bucket, and answers lost after the write",
        "test_a_query_costs_its_objects_and_the_asked_size_of_its_connections",
        "test_an_empty_bucket_throttles_with_200_and_runs_nothing_until_it_has_filled",
        "test_a_call_that_is_too_dear_is_refused_whole",
        "test_a_throttle_is_a_429",
        "test_a_cut_connection_left_nothing",
        "test_an_order_may_exist_behind_a_500",
    ),
    5: (
        "orderCreate and its treacherous defaults",
        "test_the_same_order_twice_makes_two_orders",
        "test_by_default_nothing_is_to_be_shipped",
        "test_by_default_stock_is_not_touched",
        "test_by_default_taxes_come_on_top",
        "test_tax_lines_on_both_levels_are_invalid",
        "test_both_forms_of_customer_are_redundant",
        "test_obeying_the_policy_fails_when_stock_is_short_and_leaves_no_order",
        "test_fulfilment_orders_appear_after_a_delay",
        "test_a_second_order_with_the_same_unique_id_is_refused_and_not_made",
    ),
    6: (
        "the search is late, the lookup is not",
        "test_the_search_is_behind_and_the_lookup_is_not",
        "test_the_search_language",
    ),
    7: (
        "idempotency and the comparison",
        "test_without_the_directive_a_mutation_that_needs_it_is_a_bad_request",
        "test_a_key_is_forgotten_after_a_day",
        "test_a_key_with_other_arguments_is_a_mismatch",
        "test_two_calls_at_once_with_one_key_do_not_both_run",
        "test_the_comparison_must_be_present_if_only_as_null",
        "test_a_stale_comparison_is_refused",
    ),
    8: (
        "what staff do",
        "test_an_order_is_shipped_in_parts",
        "test_tracking_may_come_later_and_moves_the_update_times",
        "test_cancelling_answers_with_a_job_and_happens_when_it_is_done",
        "test_an_order_commits_shipping_takes_off_the_shelf_and_a_return_puts_back",
        "test_cancelling_a_fulfilment_reopens_its_work_as_a_new_fulfilment_order",
        "test_a_unit_that_was_removed_shows_as_a_refund_and_not_as_a_cancellation",
        "test_a_refund_without_money_has_no_transactions",
        "test_a_return_is_opened_and_closed_and_its_refund_links_to_it",
        "test_a_deleted_variant_leaves_its_order_lines_without_one",
        "test_a_sku_can_be_given_twice_and_nothing_prevents_it",
    ),
    9: (
        "deliveries: signed, retried, doubled, out of order, given up",
        "test_a_delivery_is_signed_over_its_exact_bytes_and_has_every_header",
        "test_the_vendor_retries_eight_times_within_four_hours",
        "test_a_duplicate_has_the_same_webhook_id",
        "test_deliveries_may_be_delayed_and_arrive_out_of_order",
        "test_after_the_last_failure_the_subscription_is_deleted",
        "test_the_privacy_topics_need_no_subscription",
    ),
    10: (
        "sixty days",
        "test_orders_older_than_sixty_days_are_invisible",
        "test_orders_older_than_sixty_days_can_be_read_with_read_all_orders",
    ),
}

KLAVIYO = {
    1: (
        "operations, filters, limits, scopes and bodies come from the description",
        "test_the_operation_answers_with_success",
        "test_every_filter_with_every_operator_is_understood",
        "test_a_key_without_the_scope_of_an_operation_is_403",
    ),
    2: (
        "two windows, their headers, a quota that is shared",
        "test_the_burst_window_is_one_second_and_fixed",
        "test_quota_headers_describe_the_steady_window_and_vanish_on_429",
        "test_retry_after_can_be_left_out",
        "test_another_client_on_the_account_takes_its_share",
    ),
    3: ("accepted without a body, seen later", "test_an_event_is_accepted_with_202_and_no_body_and_seen_only_later"),
    4: (
        "which events are the same",
        "test_a_unique_id_is_stored_once_per_profile_and_metric_and_the_first_wins",
        "test_a_key_repeated_within_a_bulk_request_refuses_it_whole",
        "test_a_key_already_stored_refuses_a_bulk_request_only_where_that_is_set",
    ),
    5: (
        "bounds and limits",
        "test_time_reaches_from_1990_to_a_year_ahead",
        "test_limits_of_an_event_refuse_it_whole",
        "test_a_bulk_request_takes_a_thousand_events_and_not_one_more",
        "test_a_job_takes_ten_thousand_profiles_of_a_hundred_kilobytes_and_five_megabytes",
    ),
    6: (
        "profiles: joined, in conflict, cleared",
        "test_identifiers_of_two_profiles_in_one_event_join_them",
        "test_identifiers_of_two_profiles_are_409_and_name_the_other_one",
        "test_null_clears_and_absence_leaves",
        "test_null_does_not_clear_here_unlike_in_a_single_import",
    ),
    7: (
        "consent",
        "test_double_opt_in_stays_pending_until_confirmed",
        "test_consented_at_goes_with_historical_import_and_only_with_it",
        "test_subscribing_removes_suppressions_but_not_those_of_bounces",
        "test_unsubscribing_from_a_list_falls_through_to_global_for_everybody_else",
    ),
    8: (
        "jobs and their failures",
        "test_a_job_is_queued_then_processing_then_complete",
        "test_a_job_completes_with_failures_that_can_be_read",
        "test_row_errors_may_come_in_the_short_form_seen_live",
    ),
    9: ("what would be sent", "test_a_flow_would_send_for_every_new_event_and_never_for_backfill"),
    10: ("what is not shown", "test_key_value_and_currency_are_not_shown_unless_the_switch_is_on"),
    11: (
        "faults",
        "test_transient_statuses_come_before_anything_was_written",
        "test_a_lost_answer_is_an_event_that_was_stored_and_can_be_repeated",
        "test_expired_cursors_are_400_and_the_way_out_is_to_start_again",
    ),
    12: (
        "members that nobody announced",
        "test_every_json_answer_of_the_newest_revision_carries_agent_hints",
        "test_answers_may_carry_members_nobody_announced",
    ),
}

MARKETPLACER = {
    1: (
        "the schema is a part of the vendor's, and the type called Subscription is data",
        "test_an_unknown_field_is_answered_200_with_the_vendors_code",
        "test_the_list_of_opt_ins_is_by_day_and_nobody_is_on_it_twice",
    ),
    2: (
        "keys have a role; the gate; scopes; sellers are refused orders",
        "test_the_key_is_taken_from_either_header_and_from_both_it_is_refused",
        "test_a_missing_and_a_wrong_key_are_both_called_expired",
        "test_an_instance_behind_basic_refuses_whoever_has_only_the_key",
        "test_a_sellers_key_sees_its_invoices_and_is_refused_orders",
        "test_a_key_without_the_scope_is_told_so_and_a_higher_level_includes_the_lower",
    ),
    3: (
        "three windows of ten seconds",
        "test_each_of_three_limits_slows_a_caller_down_for_ten_seconds",
        "test_a_refusal_for_speed_may_come_as_429_without_saying_for_how_long",
    ),
    4: (
        "cursors are offsets, pages are capped and go forward, rows shift",
        "test_pages_are_fifty_by_default_capped_and_only_go_forward",
        "test_a_change_during_a_walk_shifts_rows_so_that_one_is_missed",
    ),
    5: (
        "invoices per seller, parcels, refunds, amendments, collection, purges, products in every state",
        "test_one_order_becomes_an_invoice_for_each_seller_and_the_sums_agree",
        "test_a_partly_sent_invoice_becomes_sent_and_the_order_need_not_move",
        "test_a_return_is_awaited_then_back_then_refunded_and_found_by_when_it_was_refunded",
        "test_a_cancellation_is_a_refund_of_what_was_not_dispatched",
        "test_an_amendment_gives_money_back_without_any_refund_request",
        "test_click_and_collect_is_ready_and_then_collected",
        "test_a_purged_order_stays_and_says_when_it_was_purged",
        "test_a_product_may_be_unpublished_deleted_or_without_category",
        "test_tracking_may_be_blank_and_come_later",
        "test_a_denial_is_final_until_it_is_reverted",
        "test_an_order_may_have_no_email_address",
        "test_an_order_can_be_created_once_for_one_external_id_and_its_unit_price_is_rounded_up",
    ),
    6: (
        "webhooks run the stored query, are signed, retried, switched off, skipped, and kept three days",
        "test_a_delivery_is_the_answer_to_our_query_signed_and_numbered",
        "test_a_4xx_or_a_redirect_switches_the_webhook_off_and_is_not_tried_again",
        "test_a_5xx_a_429_and_silence_are_tried_again_and_429_lowers_the_concurrency",
        "test_a_retry_goes_where_the_webhook_points_now",
        "test_twenty_five_tries_take_about_twenty_four_days_from_a_minute_to_four_days_apart",
        "test_a_burst_is_one_event_with_the_last_state",
        "test_an_identical_payload_is_skipped_where_the_webhook_allows_it",
        "test_events_are_kept_for_three_days",
        "test_under_a_heavy_backlog_delivered_events_are_erased_at_once",
        "test_a_delivery_may_come_twice_with_one_key",
        "test_deliveries_may_overtake_each_other_and_their_numbers_tell",
    ),
    7: (
        "5xx, slow and partial answers, amounts gone, orders that do not move",
        "test_a_status_is_answered_instead_of_the_vendor",
        "test_a_delay_happens_before_the_vendor_hears_of_the_call",
        "test_a_failing_branch_leaves_the_rest_of_the_answer",
        "test_amounts_can_be_gone_and_only_their_formatted_twins_left",
        "test_the_order_moves_with_its_invoices_where_the_instance_does_so",
    ),
    8: (
        "two instances share a shopper; the vendor's own Klaviyo integration in each state",
        "test_two_instances_differ_in_code_and_currency_and_share_a_shopper",
        "test_the_native_klaviyo_integration_can_be_in_each_state",
    ),
}

_HEADING = re.compile(r"^(## \d+\. (?:Local s|S)imulator.*|Simulator rules:)$", re.MULTILINE)
RULES = {
    "magento": (MAGENTO, 8),
    "marketplacer": (MARKETPLACER, 8),
    "mirakl": (MIRAKL, 11),
    "john_lewis": (JOHN_LEWIS, 15),
    "shopify": (SHOPIFY, 10),
    "klaviyo": (KLAVIYO, 12),
}


def names_of_tests(vendor: str) -> set[str]:
    """Every test of a vendor's simulation, and of what all simulations share."""
    files = [*(HERE / vendor).glob("test_*.py"), *HERE.glob(f"test_{vendor}_*.py"), HERE / "test_faults.py"]
    return {
        node.name
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("vendor", RULES)
def test_every_rule_of_a_simulation_is_held_by_tests_that_exist(vendor: str) -> None:
    rules, count = RULES[vendor]
    known = names_of_tests(vendor)
    assert list(rules) == list(range(1, count + 1))
    assert [(number, name) for number, (_, *names) in rules.items() for name in names if name not in known] == []
    assert all(names for _, *names in rules.values())


@pytest.mark.skipif(not FOLDER, reason="MARKETPLACE_SYNC_CONTRACTS names no folder with the vendors' sheets")
@pytest.mark.parametrize("vendor", RULES)
def test_a_sheet_has_no_rule_beside_these(vendor: str) -> None:
    sheet = (Path(FOLDER) / f"{vendor}.md").read_text(encoding="utf-8")
    _, heading, rest = re.split(_HEADING, sheet, maxsplit=1)
    rules = re.findall(r"^(?:\d+\. |- )", rest.partition("\n## ")[0], re.MULTILINE)
    assert len(rules) == RULES[vendor][1], heading
