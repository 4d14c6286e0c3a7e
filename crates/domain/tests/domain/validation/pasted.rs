//! The examples of the gateways' pages, pasted as the body of a job. Numbers are those of the pages in docs/gateways.

use serde_json::{Value, json};

use super::{content, job, parse, problems, with};

/// The job with this body under this key.
fn keyed(account: &str, kind: &str, key: &str, body: &Value) -> Value {
    with(&job(account, kind, body), "platform_no", json!(key))
}

/// Checks that both bodies become the same content, to the byte.
fn are_the_same(account: &str, kind: &str, key: &str, pasted: &Value, documented: &Value) {
    let (pasted, documented) = (keyed(account, kind, key, pasted), keyed(account, kind, key, documented));
    assert_eq!(content(&pasted), content(&documented));
    let hash = |job: &Value| parse(&job.to_string()).unwrap().content.hash();
    assert_eq!(hash(&pasted), hash(&documented));
}

fn transfer() -> Value {
    json!({"node_id": "00061967", "platform_no": "111", "total_amount": 10, "payer_store_no": "amy99a", "payer_type": "1",
        "payee_store_no": "amy99b", "payee_type": "2", "arrive_time": "T0"})
}

/// `goods_detail` of the request example: the first article has its `goods_id` twice.
const GOODS_TEXT: &str = r#"[{"goods_id":"apple-01","goods_name":"ipad","quantity":1,"price":200000,"goods_id":"apple-01","goods_category":"34543238","real_price":199999,"body":"特价手机","goods_fee_amount":1},{"goods_name":"ipad2","quantity":1,"price":200000,"real_price":199999,"goods_id":"apple-02","goods_category":"34543239","real_price":199999,"body":"特价手机2","goods_fee_amount":1}]"#;

/// The example of `goods_detail` by itself.
fn goods() -> Value {
    json!([
        {"goods_name": "ipad", "quantity": 1, "price": 200_000, "real_price": 199_999, "goods_id": "apple-01",
         "goods_category": "34543238", "body": "特价手机", "goods_fee_amount": 1},
        {"goods_name": "ipad2", "quantity": 1, "price": 200_000, "real_price": 199_999, "goods_id": "apple-02",
         "goods_category": "34543239", "body": "特价手机2", "goods_fee_amount": 1}
    ])
}

/// `biz_content` of the request example.
fn bill() -> Value {
    json!({"fee_amount": 1, "goods_detail": GOODS_TEXT, "merchant_id": "1000000000826", "node_id": "100001",
        "order_amount": 199, "order_id": "100010001", "order_time": "20240301131800", "org_order_id": "100010000",
        "pay_merchant_id": "1302329392", "pay_type": "502", "remark": "备注", "store_id": "20008221",
        "trade_no": "2019112011001004330000121536", "trade_type": "1", "user_id": "01", "split_rule_source": "1"})
}

/// The request example of a split.
fn split() -> Value {
    json!({"version": "1.0", "reqTime": "1622016572190", "signType": "MD5", "sign": "1", "mchNo": "M1623997351",
        "appId": "60cc3ba74ee0e6685f57eb1e", "payOrderId": "P202108271011463510002", "useSysAutoDivisionReceivers": "0",
        "receivers": r#"[{"receiverGroupId":"","receiverId":"800029","divisionProfit":"0.0001"},{"receiverGroupId":"","receiverId":"800028","divisionProfit":"0.0002"}]"#})
}

#[test]
fn transfer_with_its_key_inside_is_the_same_job() {
    are_the_same("main", "transfer", "111", &transfer(), &with(&transfer(), "platform_no", Value::Null));
    let rule = "must be the job's platform_no or be left out: it is a field of the job, not of its body";
    assert_eq!(problems(&keyed("main", "transfer", "112", &transfer())), [format!("body.platform_no {rule}")]);
    let number = with(&transfer(), "platform_no", json!(111));
    assert_eq!(problems(&keyed("main", "transfer", "111", &number)), [format!("body.platform_no {rule}")]);
}

#[test]
fn bill_with_goods_as_text_is_the_same_as_the_list() {
    let mut documented = with(&bill(), "goods_detail", goods());
    let extra = json!({"merchant_id": documented["merchant_id"].take(), "remark": documented["remark"].take()});
    documented["extra"] = extra;
    are_the_same("main", "bill_upload", "B1", &bill(), &documented);
    let halves = with(&with(&bill(), "remark", Value::Null), "extra", json!({"remark": "备注"}));
    are_the_same("main", "bill_upload", "B1", &halves, &documented);
}

#[test]
fn goods_that_name_two_prices_are_refused() {
    let two = GOODS_TEXT.replacen(r#""goods_id":"apple-01""#, r#""price":1"#, 1);
    let [problem] =
        problems(&job("main", "bill_upload", &with(&bill(), "goods_detail", json!(two)))).try_into().unwrap();
    assert!(problem.contains("the field price occurs twice"), "{problem}");
    let twice =
        format!(r#"{{"account":"main","kind":"bill_upload","platform_no":"B","platform_no":"B","body":{}}}"#, bill());
    assert!(parse(&twice).unwrap_err().to_string().contains("occurs twice"), "a job itself has no field twice");
}

#[test]
fn split_as_a_whole_request_comes_back_corrected() {
    let invalid = parse(&job("shop", "split", &split()).to_string()).unwrap_err();
    let mut fields: Vec<&str> = invalid.errors.iter().map(|error| error.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["body.appId", "body.mchNo", "body.reqTime", "body.sign", "body.signType", "body.version"]);
    assert!(invalid.errors.iter().all(|error| error.rule.ends_with("which Bursar writes: leave it out")), "{invalid}");
    let corrected = Value::Object(invalid.corrected_body.unwrap());
    let list = json!([{"receiverId": 800_029, "divisionProfit": "0.0001"}, {"receiverId": 800_028, "divisionProfit": "0.0002"}]);
    are_the_same("shop", "split", "S", &corrected, &with(&corrected, "receivers", list));
}

#[test]
fn upload_as_a_whole_request_comes_back_corrected() {
    let request = json!({"charset": "utf-8", "biz_content": bill().to_string(), "method": "bkfunds.order.upload",
        "format": "json", "sign": "bP6dfs2L", "app_id": "202404221232028501746384896", "sign_type": "RSA2", "version": "1.0",
        "timestamp": "2024-04-28 15:09:29"});
    let invalid = parse(&job("main", "bill_upload", &request).to_string()).unwrap_err();
    let rule = "body.biz_content is a request's content: give its fields as the body";
    assert!(invalid.to_string().contains(rule), "{invalid}");
    are_the_same("main", "bill_upload", "B", &Value::Object(invalid.corrected_body.unwrap()), &bill());
    let wrong = with(&bill(), "order_amount", json!(1.5));
    let wrong = with(&request, "biz_content", json!(wrong.to_string()));
    let invalid = parse(&job("main", "bill_upload", &wrong).to_string()).unwrap_err();
    assert_eq!(invalid.corrected_body, None, "a body that breaks rules is no correction");
}

#[test]
fn a_field_in_the_wrong_place_is_sent_to_its_place() {
    let mut misplaced =
        keyed("main", "transfer", "111", &with(&transfer(), "callback_url", json!("https://x.example")));
    misplaced["total_amount"] = json!(10);
    misplaced["platformNo"] = json!("111");
    assert_eq!(
        problems(&misplaced),
        [
            "platformNo is not a known field; did you mean platform_no?",
            "total_amount is a field of the body: put it into body",
            "body.callback_url is a field of the job, not of its body",
        ]
    );
}

#[test]
fn a_byte_order_mark_before_a_job_says_nothing() {
    let job = keyed("main", "transfer", "111", &transfer()).to_string();
    assert_eq!(parse(&format!("\u{feff}{job}")), parse(&job));
    assert!(parse(&format!("{job}\u{feff}")).is_err());
}

#[test]
fn a_body_without_a_page_may_have_any_name() {
    let body = json!({"version": "1.0", "sign": "x", "total_amount": 10});
    let taken = content(&job("generic", "split", &body));
    assert!(taken.contains(r#""sign":"x""#) && taken.contains(r#""version":"1.0""#), "{taken}");
}
