//! `funds.bill.upload`: an order's details go to the gateway, which may divide its money by the merchant's rules.
//! Field names and lengths are those of docs/gateways/yzt.md; `extra` carries fields beyond its table (trap 21).

use serde_json::Value;

use super::job_kind::{Body, BusinessKey, Draft, Further, JobKind, List, Repetition, Submitted};
use super::pasted;
use crate::GatewayKind;
use crate::fields::{Field, FieldError, Reader, Rule, Written, optional, required, write_object};

pub(super) static KIND: JobKind = JobKind {
    name: "bill_upload",
    is_taken_by: |account| account.gateway == GatewayKind::Yzt,
    repetition: Repetition::Harmless,
    amount: "order_amount",
    payer: &["store_id"],
    payee: &[],
    order: &["order_id"],
    receivers: None,
    next_day: None,
    // An order is uploaded once for its payment and once for its refund.
    business_key: BusinessKey::Content {
        read: |text_of| Some(format!("{}/{}", text_of("order_id")?, text_of("trade_type")?)),
        candidates: |order_id| ["1", "2"].map(|trade_type| format!("{order_id}/{trade_type}")).to_vec(),
    },
    bodies: &[Body {
        fields: FIELDS,
        one_of: &[],
        lists: &[List { name: "goods_detail", items: GOODS }],
        further: Further::InExtra,
        undocumented: UNDOCUMENTED,
    }],
    read,
};

const FIELDS: &[Field] = &[
    required("trade_type", Rule::OneOf(&["1", "2"])).shown(),
    required("node_id", Rule::Id(8)).shown(),
    required("order_amount", Rule::Amount).shown(),
    required("order_id", Rule::Id(32)).shown(),
    required("order_time", Rule::Stamp14).shown(),
    optional("org_order_id", Rule::Id(32)).shown(),
    optional("pay_merchant_id", Rule::Id(32)),
    optional("pay_type", Rule::Id(8)).shown(),
    required("store_id", Rule::Id(16)),
    optional("trade_no", Rule::Id(32)).shown(),
    optional("user_id", Rule::Id(8)),
    optional("fee_amount", Rule::Price).shown(),
    optional("split_rule_source", Rule::Id(8)).shown(),
    optional("split_refund_seq", Rule::Id(64)).shown(), // needed on one channel's refunds only, which no field names (trap 23)
];

/// The page's example has them, its table does not (trap 21).
const UNDOCUMENTED: &[&str] = &["merchant_id", "remark"];

const GOODS: &[Field] = &[
    required("goods_id", Rule::Id(32)).shown(),
    required("goods_name", Rule::Text(256)).shown(),
    required("quantity", Rule::Whole { low: 1, high: i64::MAX }).shown(),
    required("price", Rule::Price).shown(),
    required("real_price", Rule::Price).shown(),
    optional("goods_category", Rule::Text(24)).shown(),
    optional("body", Rule::Text(1024)).shown(),
    optional("goods_fee_amount", Rule::Price).shown(),
];

/// The page's length for the encoded list.
const MAX_GOODS_CHARS: usize = 6000;

fn read(reader: &mut Reader<'_>, job: &Submitted<'_>) -> Option<Draft> {
    let mut fields = reader.table(FIELDS);
    if let Some(goods) = reader.take("goods_detail") {
        read_goods(reader, goods, &mut fields);
    }
    pasted::into_extra(reader, UNDOCUMENTED);
    let known: Vec<&str> = FIELDS.iter().map(|field| field.name).chain(["goods_detail", "platform_no"]).collect();
    reader.extra(&known, &mut fields);
    let text_of = |name: &str| fields.iter().find(|(field, _)| field == name).and_then(|(_, value)| value.as_str());
    if text_of("trade_type") == Some("2") && text_of("org_order_id").is_none() {
        reader.wrong("org_order_id", "is required for a refund (trade_type 2)");
    }
    let business_key = KIND.business_key(job.key, &text_of);
    Some(Draft { fields, business_key, not_before: None })
}

/// `goods_detail` is a JSON text on the wire (trap 18), whether a list or its text was given.
fn read_goods(reader: &mut Reader<'_>, goods: Value, fields: &mut Written) {
    let goods = match pasted::entries(goods, "must be a list of goods, or its JSON text") {
        Ok(goods) if goods.is_empty() => return reader.wrong("goods_detail", "must not be empty: leave it out"),
        Ok(goods) => goods,
        Err(rule) => return reader.wrong("goods_detail", rule),
    };
    let mut errors = Vec::new();
    let written: Vec<String> =
        goods.into_iter().enumerate().map(|(index, item)| read_item(index, item, &mut errors)).collect();
    for FieldError { field, rule } in errors {
        reader.wrong(&field, rule);
    }
    let text = format!("[{}]", written.join(","));
    if text.chars().count() > MAX_GOODS_CHARS {
        reader.wrong("goods_detail", format!("must be at most {MAX_GOODS_CHARS} characters long when encoded"));
    }
    fields.push(("goods_detail".to_owned(), text.into()));
}

fn read_item(index: usize, item: Value, errors: &mut Vec<FieldError>) -> String {
    let Value::Object(item) = item else {
        errors.push(FieldError { field: format!("goods_detail[{index}]"), rule: "must be an object".into() });
        return String::new();
    };
    let mut reader = Reader::new(format!("goods_detail[{index}]."), item, errors);
    let fields = reader.table(GOODS);
    reader.finish();
    write_object(&fields)
}
