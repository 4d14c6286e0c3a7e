//! `withdrawal`: `bkfunds.withdraw.apply`.

use bursar_domain::{AccountRules, GatewayKind, Kind, KindSet, Operation, Repetition, State};
use serde_json::{Value, json};

use super::{content, each_is_refused, each_is_required, job, no_amounts, problems, with};

/// The page's example, its amount in fen.
fn body() -> Value {
    json!({
        "merchant_id": 1_000_000_001_116_i64, "sso_node_id": "00061967", "account_sub_type": "0", "total_amount": 110,
        "card_type": "0", "remark": "111"
    })
}

fn to_a_card() -> Value {
    let body = with(&body(), "card_type", Value::Null);
    with(&with(&body, "bank_card_no", json!("6222021234567890123")), "bank_card_name", json!("欧阳锋"))
}

#[test]
fn the_content_is_the_page_s_fields_without_a_key() {
    let expected = r#"{"sso_node_id":"00061967","merchant_id":1000000001116,"account_sub_type":"0","total_amount":110,"card_type":"0","remark":"111"}"#;
    assert_eq!(content(&job("withdrawing", "withdrawal", &body())), expected);
    let stored = content(&job("withdrawing", "withdrawal", &with(&to_a_card(), "extra", json!({"retained": "1"}))));
    assert!(
        stored.ends_with(
            r#""bank_card_no":"6222021234567890123","bank_card_name":"欧阳锋","remark":"111","retained":"1"}"#
        )
    );
}

#[test]
fn an_account_takes_it_only_where_it_says_so() {
    let refused = "kind is not taken by this yzt account, which takes bill_upload and transfer";
    assert_eq!(problems(&job("main", "withdrawal", &body())), [refused]);
    assert_eq!(AccountRules::additional_kinds(GatewayKind::Yzt), [Kind::Withdrawal]);
    assert_eq!(AccountRules::additional_kinds(GatewayKind::Beingfi), []);
    let all = AccountRules { additional: KindSet::NONE.with(Kind::Withdrawal), ..AccountRules::new(GatewayKind::Yzt) };
    assert_eq!(all.kinds(), [Kind::BillUpload, Kind::Transfer, Kind::Withdrawal]);
}

#[test]
fn every_field_has_its_rule() {
    each_is_required("withdrawing", "withdrawal", &body(), &["sso_node_id", "account_sub_type", "total_amount"]);
    each_is_refused(
        "withdrawing",
        "withdrawal",
        &body(),
        &[
            ("merchant_id", Value::Null, "is required, or store_no instead: exactly one of them"),
            ("store_no", json!("amy99a"), "must not be given together with merchant_id: exactly one of them"),
            ("account_sub_type", json!("2"), "must be the string \"0\" or \"1\""),
            ("card_type", json!("3"), "must be the string \"0\" or \"1\" or \"2\""),
            (
                "platform_no",
                json!("x"),
                "must be the job's platform_no or be left out: it is a field of the job, not of its body",
            ),
        ],
    );
    for amount in no_amounts() {
        let rule = "must be a positive integer of fen: 1000 for 10.00 yuan";
        each_is_refused("withdrawing", "withdrawal", &body(), &[("total_amount", amount, rule)]);
    }
    let key = with(&body(), "extra", json!({"platform_no": "x"}));
    let rule = "body.extra.platform_no has its own place and must not be given here";
    assert_eq!(problems(&job("withdrawing", "withdrawal", &key)), [rule]);
}

#[test]
fn the_card_is_a_bound_one_or_named_and_never_both() {
    let missing = "is required: without it no card is named";
    let doubled = "must be left out where card_type is 0 or 1, which is a card that the gateway knows";
    each_is_refused(
        "withdrawing",
        "withdrawal",
        &to_a_card(),
        &[("bank_card_no", Value::Null, missing), ("bank_card_name", Value::Null, missing)],
    );
    let another = with(&body(), "card_type", json!("2"));
    assert_eq!(problems(&job("withdrawing", "withdrawal", &another)), [format!("body.bank_card_no {missing}")]);
    content(&job("withdrawing", "withdrawal", &with(&another, "bank_card_no", json!("6222021234567890123"))));
    let card = [("bank_card_no", json!("6222021234567890123"), doubled), ("bank_card_name", json!("欧阳锋"), doubled)];
    each_is_refused("withdrawing", "withdrawal", &body(), &card);
}

#[test]
fn the_card_and_its_holder_are_not_shown() {
    let shown = bursar_domain::shown_fields(&content(&job("withdrawing", "withdrawal", &to_a_card())));
    let of = |name: &str| shown.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    assert_eq!((of("bank_card_no"), of("bank_card_name")), (Some("****0123"), Some("****")));
    assert_eq!((of("sso_node_id"), of("total_amount")), (Some("00061967"), Some("110")));
}

#[test]
fn from_review_it_is_queried_or_resolved_and_never_sent() {
    let now = bursar_domain::Millis(1);
    assert_eq!(Kind::Withdrawal.repetition(), Repetition::PaysAgain);
    for state in State::ALL {
        for operation in [Operation::Query, Operation::Send, Operation::Resolve(State::Failed), Operation::Cancel] {
            let (ours, theirs) = (
                operation.on_job(Kind::Withdrawal, state, None, now),
                operation.on_job(Kind::Transfer, state, None, now),
            );
            if (operation, state) == (Operation::Send, State::NeedsReview) {
                let refused = ours.unwrap_err().to_string();
                assert!(refused.contains("cannot tell a second send of this kind from a second payment"), "{refused}");
                assert!(theirs.is_ok());
            } else {
                assert_eq!(ours, theirs, "{operation:?} {state}");
            }
        }
    }
}
