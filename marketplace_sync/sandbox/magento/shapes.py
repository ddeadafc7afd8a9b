"""What a body may hold: the names a shop of the Open Source edition takes, with their kinds and which are required.

Twins are the amounts that are stated in the order's currency and, as `base_...`, in the website's. (creating an order)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TEXT, WHOLE, NUMBER, TRUTH, ANYTHING = "string", "int", "float", "bool", "mixed"


@dataclass
class Shape:
    """Members of an object. A kind is one of the words above, another Shape, or a list with one of them in it."""

    members: dict[str, Kind] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


Kind = str | Shape | list[str] | list[Shape]


def plain(
    required: str = "", *, text: str = "", whole: str = "", number: str = "", twins: str = "", truth: str = "",
    **parts: Kind,
) -> Shape:  # fmt: skip
    """Names by kind, separated by blanks; `parts` are members with a shape of their own."""
    doubled = twins.split()
    members: dict[str, Kind] = dict(parts)
    for names, kind in (
        (text.split(), TEXT),
        (whole.split(), WHOLE),
        (number.split() + doubled + [f"base_{name}" for name in doubled], NUMBER),
        (truth.split(), TRUTH),
    ):
        members.update(dict.fromkeys(names, kind))
    return Shape(members, frozenset(required.split()))


def shape(required: str = "", **names: Any) -> Shape:
    """A plain one that modules may extend, though no module does unless it is said."""
    return plain(required, **{"extension_attributes": Shape(), **names})


ADDRESS = shape(
    "address_type city country_id firstname lastname postcode telephone",
    text="address_type city company country_id email fax firstname lastname middlename postcode prefix region"
    " region_code suffix telephone vat_id vat_request_date vat_request_id",
    whole="customer_address_id customer_id entity_id parent_id region_id vat_is_valid vat_request_success",
    street=[TEXT],
)

ITEM = shape(
    "sku",
    text="additional_data applied_rule_ids created_at description ext_order_item_id name product_type sku updated_at"
    " weee_tax_applied",
    whole="free_shipping is_qty_decimal is_virtual item_id locked_do_invoice locked_do_ship no_discount order_id"
    " parent_item_id product_id quote_item_id store_id",
    number="base_cost discount_percent qty_backordered qty_canceled qty_invoiced qty_ordered qty_refunded qty_returned"
    " qty_shipped row_weight tax_percent weight weee_tax_applied_row_amount base_weee_tax_applied_row_amnt"
    " discount_tax_compensation_canceled tax_canceled",
    twins="amount_refunded discount_amount discount_invoiced discount_refunded discount_tax_compensation_amount"
    " discount_tax_compensation_invoiced discount_tax_compensation_refunded original_price price price_incl_tax"
    " row_invoiced row_total row_total_incl_tax tax_amount tax_before_discount tax_invoiced tax_refunded"
    " weee_tax_applied_amount weee_tax_disposition weee_tax_row_disposition",
    product_option=shape(),
)
ITEM.members["parent_item"] = ITEM

HISTORY = shape(
    "comment is_customer_notified is_visible_on_front parent_id",
    text="comment created_at entity_name status",
    whole="entity_id is_customer_notified is_visible_on_front parent_id",
)

PAYMENT = shape(
    "account_status additional_information cc_last4 method",
    text="account_status additional_data address_status anet_trans_method cc_approval cc_avs_status cc_cid_status"
    " cc_debug_request_body cc_debug_response_body cc_debug_response_serialized cc_exp_month cc_exp_year cc_last4"
    " cc_number_enc cc_owner cc_secure_verify cc_ss_issue cc_ss_start_month cc_ss_start_year cc_status"
    " cc_status_description cc_trans_id cc_type echeck_account_name echeck_account_type echeck_bank_name"
    " echeck_routing_number echeck_type last_trans_id method po_number protection_eligibility",
    whole="entity_id parent_id quote_payment_id",
    number="base_amount_paid_online base_amount_refunded_online",
    twins="amount_authorized amount_canceled amount_ordered amount_paid amount_refunded shipping_amount"
    " shipping_captured shipping_refunded",
    additional_information=[TEXT],
    extension_attributes=plain(text="notification_message"),
)

_SHIPPING = (
    "shipping_amount shipping_canceled shipping_discount_amount shipping_incl_tax shipping_invoiced shipping_refunded"
    " shipping_tax_amount shipping_tax_refunded"
)
_SHIPPING_ODD = "base_shipping_discount_tax_compensation_amnt shipping_discount_tax_compensation_amount"

ASSIGNMENT = shape(
    "items shipping",
    whole="stock_id",
    items=[ITEM],
    shipping=shape(text="method", address=ADDRESS, total=shape(twins=_SHIPPING, number=_SHIPPING_ODD)),
)

ORDER = shape(
    "base_grand_total customer_email grand_total items",
    text="applied_rule_ids base_currency_code coupon_code created_at customer_dob customer_email customer_firstname"
    " customer_lastname customer_middlename customer_note customer_prefix customer_suffix customer_taxvat"
    " discount_description ext_customer_id ext_order_id global_currency_code hold_before_state hold_before_status"
    " increment_id order_currency_code original_increment_id protect_code relation_child_id relation_child_real_id"
    " relation_parent_id relation_parent_real_id remote_ip shipping_description state status store_currency_code"
    " store_name updated_at x_forwarded_for",
    whole="billing_address_id can_ship_partially can_ship_partially_item customer_gender customer_group_id customer_id"
    " customer_is_guest customer_note_notify edit_increment email_sent entity_id forced_shipment_with_invoice"
    " is_virtual payment_auth_expiration quote_address_id quote_id store_id total_item_count",
    number="base_to_global_rate base_to_order_rate base_total_invoiced_cost payment_authorization_amount"
    f" store_to_base_rate store_to_order_rate weight {_SHIPPING_ODD}",
    twins="adjustment_negative adjustment_positive discount_amount discount_canceled discount_invoiced"
    " discount_refunded discount_tax_compensation_amount discount_tax_compensation_invoiced"
    " discount_tax_compensation_refunded grand_total subtotal subtotal_canceled subtotal_incl_tax subtotal_invoiced"
    " subtotal_refunded tax_amount tax_canceled tax_invoiced tax_refunded total_canceled total_due total_invoiced"
    " total_offline_refunded total_online_refunded total_paid total_qty_ordered total_refunded " + _SHIPPING,
    items=[ITEM],
    billing_address=ADDRESS,
    payment=PAYMENT,
    status_histories=[HISTORY],
    extension_attributes=plain(
        text="pickup_location_code",
        whole="notification_sent send_notification",
        truth="converting_from_quote",
        shipping_assignments=[ASSIGNMENT],
        coupon_codes=[TEXT],
        payment_additional_info=[plain("key value", text="key value")],
    ),
)

_LINES = [shape("order_item_id qty", whole="order_item_id", number="qty")]
_NOTE = shape("comment is_visible_on_front", text="comment", whole="is_visible_on_front")

INVOICE = plain(truth="appendComment capture notify", items=_LINES, comment=_NOTE, arguments=shape())

SHIPMENT = plain(
    truth="appendComment notify",
    items=_LINES,
    comment=_NOTE,
    packages=[shape()],
    tracks=[shape("carrier_code title track_number", text="carrier_code title track_number")],
    arguments=plain(extension_attributes=plain(text="source_code")),
)

REFUND = plain(
    truth="appendComment notify isOnline",
    items=_LINES,
    comment=_NOTE,
    arguments=plain(
        number="adjustment_negative adjustment_positive shipping_amount",
        extension_attributes=plain(return_to_stock_items=[WHOLE]),
    ),
)

TRACK = shape(
    "order_id parent_id weight qty description track_number title carrier_code",
    text="carrier_code created_at description title track_number updated_at",
    whole="entity_id order_id parent_id",
    number="qty weight",
)

SOURCE_ITEM = shape(text="sku source_code", number="quantity", whole="status")

STOCK_ITEM = shape(
    text="low_stock_date",
    whole="backorders item_id product_id stock_id stock_status_changed_auto use_config_min_sale_qty",
    number="max_sale_qty min_qty min_sale_qty notify_stock_qty qty qty_increments",
    truth="enable_qty_increments is_decimal_divided is_in_stock is_qty_decimal manage_stock"
    " show_default_notification_message use_config_backorders use_config_enable_qty_inc use_config_manage_stock"
    " use_config_max_sale_qty use_config_min_qty use_config_notify_stock_qty use_config_qty_increments",
)

PRODUCT = shape(
    "sku",
    text="created_at name sku type_id updated_at",
    whole="attribute_set_id id status visibility",
    number="price weight",
    custom_attributes=[plain("attribute_code value", text="attribute_code", value=ANYTHING)],
    media_gallery_entries=[ANYTHING],
    options=[ANYTHING],
    product_links=[ANYTHING],
    tier_prices=[ANYTHING],
    extension_attributes=plain(
        website_ids=[WHOLE],
        category_links=[shape("category_id", text="category_id", whole="position")],
        stock_item=STOCK_ITEM,
        configurable_product_links=[WHOLE],
        configurable_product_options=[ANYTHING],
    ),
)


def named(name: str, inner: Kind, **parts: Kind) -> Shape:
    """A body with one required parameter."""
    return Shape({name: inner, **parts}, frozenset({name}))
