//! The typed bodies have exactly the fields that the validator reads, and all their values are valid.

use std::collections::BTreeSet;

use bursar_domain::Job;
use bursar_producer::{
    AccountRules, Arrival, BillUpload, Card, Fen, GatewayKind, Goods, Kind, KindSet, NewJob, Order, Party, Receiver,
    Split, TradeType, Transfer, Withdrawal,
};
use serde_json::{Value, json};

fn fen(amount: i64) -> Fen {
    Fen::new(amount).unwrap()
}

fn transfer(party: Party<'_>) -> Transfer {
    let extra = [("remark".to_owned(), json!("分账"))].into_iter().collect();
    Transfer { extra, ..Transfer::new("00061967", fen(10), (party, "1"), (party, "2"), Arrival::T1) }
}

/// Every field has a value.
fn bill() -> BillUpload {
    let goods = Goods {
        goods_category: Some("34543238".into()),
        body: Some("特价手机".into()),
        goods_fee_amount: Some(0),
        ..Goods::new("apple-01", "ipad", 1, 200_000, 199_999)
    };
    BillUpload {
        pay_merchant_id: Some("1302329392".into()),
        pay_type: Some("502".into()),
        trade_no: Some("2019112011001004330000121536".into()),
        user_id: Some("01".into()),
        fee_amount: Some(0),
        split_rule_source: Some("1".into()),
        split_refund_seq: Some("1".into()),
        goods_detail: vec![goods],
        extra: [("remark".to_owned(), json!("备注"))].into_iter().collect(),
        ..BillUpload::sale("100001", "20008221", "order-2", "20240301131800", fen(199)).refund_of("order-1")
    }
}

fn splits() -> Vec<Split> {
    let paid_at = Some("2026-01-01T08:00:00+08:00".to_owned());
    vec![
        Split {
            paid_at,
            ..Split::among(Order::Gateway("P1"), vec![Receiver::one(800_029).share("0.3"), Receiver::one(7)])
        },
        Split::among(Order::Merchant("M1"), vec![Receiver::group(9).share("1")]),
        Split::by_the_gateway(Order::Merchant("M2")),
    ]
}

fn withdrawals() -> Vec<Withdrawal> {
    let named = Card::Named { number: "6222021234567890123", holder: "欧阳锋" };
    let full = Withdrawal {
        card_type: Some("2".into()),
        bank_id: Some("104".into()),
        bank_name: Some("中国银行".into()),
        remark: Some("111".into()),
        extra: [("retained".to_owned(), json!("1"))].into_iter().collect(),
        ..Withdrawal::new("00061967", 1_000_000_001_116, "0", fen(110), named)
    };
    let of_store = Withdrawal { merchant_id: None, store_no: Some("amy99a".into()), ..full.clone() };
    vec![full, of_store, Withdrawal::new("00061967", 1_000_000_001_116, "1", fen(1), Card::Bound("0"))]
}

fn all() -> Vec<NewJob> {
    let transfers =
        [Party::Store("amy99a"), Party::Merchant("1000000001123")].map(|party| transfer(party).job("main", "T"));
    let bills = [bill(), BillUpload::sale("1", "2", "3", "20240301131800", fen(1))].map(|bill| bill.job("main", "B"));
    transfers
        .into_iter()
        .chain(bills)
        .chain(splits().iter().map(|split| split.job("shop", "S")))
        .chain(withdrawals().iter().map(|withdrawal| withdrawal.job("main", "W")))
        .collect()
}

fn rules(account: &str) -> Option<AccountRules> {
    let gateway = if account == "main" { GatewayKind::Yzt } else { GatewayKind::Beingfi };
    Some(AccountRules { additional: KindSet::NONE.with(Kind::Withdrawal), ..AccountRules::new(gateway) })
}

/// The names of all fields, as `goods_detail[].price`. Fields within `extra` are not counted.
fn names(body: &serde_json::Map<String, Value>, prefix: &str, found: &mut BTreeSet<String>) {
    for (name, value) in body {
        found.insert(format!("{prefix}{name}"));
        for item in value.as_array().into_iter().flatten() {
            names(item.as_object().unwrap(), &format!("{prefix}{name}[]."), found);
        }
    }
}

#[test]
fn every_typed_body_is_taken_by_the_validator() {
    for job in all() {
        Job::validate(&job, rules).unwrap_or_else(|invalid| panic!("{invalid}: {job:?}"));
    }
}

#[test]
fn typed_bodies_have_every_field_of_the_pages_and_no_other() {
    for kind in Kind::ALL {
        let mut found = BTreeSet::new();
        for job in all().iter().filter(|job| job.kind == kind.as_str()) {
            names(&job.body, "", &mut found);
        }
        assert_eq!(found, kind.body_fields().into_iter().collect(), "{kind}");
    }
}

#[test]
fn a_typed_body_is_the_same_job_as_the_page_s_own_json() {
    let typed = transfer(Party::Store("amy99a")).job("main", "K");
    let written = json!({"account": "main", "kind": "transfer", "platform_no": "K", "body": {
        "node_id": "00061967", "total_amount": 10, "payer_store_no": "amy99a", "payer_type": "1",
        "payee_store_no": "amy99a", "payee_type": "2", "arrive_time": "T1",
        "extra": {"remark": "分账"},
    }});
    assert_eq!(serde_json::to_value(&typed).unwrap(), written);
    let content =
        |job: Result<Job, _>| job.map_err(|invalid: bursar_producer::Invalid| invalid.to_string()).unwrap().content;
    assert_eq!(content(Job::validate(&typed, rules)), content(Job::parse(written.to_string().as_bytes(), rules)));
    assert_eq!(serde_json::to_value(TradeType::Refund).unwrap(), "2");
}

#[test]
fn a_job_that_was_written_reads_back_as_the_same() {
    for job in all() {
        let job = job.not_before("2026-01-01T08:00:00+08:00").reporting_to("https://shop.example/bursar");
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<NewJob>(&text).unwrap(), job);
    }
}
