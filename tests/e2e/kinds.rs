//! Good days: each kind on its page's own example, and every life that a payment can have.

use std::time::Duration;

use bursar_domain::Millis;
use serde_json::{Value, json};

use crate::http;
use crate::jobs::{self, bill, having, now_ms, split, transfer};
use crate::plan::Plan;

#[tokio::test]
async fn a_transfer_is_executed_once_with_the_page_s_own_content() {
    let world = Plan::new().start().await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("1001XP2025010110000001")]).await;

    let job = world.until("1001XP2025010110000001", "succeeded").await;
    assert_eq!((&job["attempts"], &job["gateway_status"]), (&json!(1), &json!("1")), "{job}");
    let ledger = world.books_agree().await;
    let record = &ledger.keys["1001XP2025010110000001"];
    assert_eq!((record.executions, record.requests), (1, 1));
    assert_eq!(job["trade_no"].as_str(), record.trade_no.as_deref());
    let mut content = transfer("")["body"].clone();
    content["platform_no"] = "1001XP2025010110000001".into();
    assert_eq!(serde_json::from_str::<Value>(&record.bytes).unwrap(), content);
}

#[tokio::test]
async fn a_bill_is_received_with_its_goods_and_extra_fields() {
    let world = Plan::new().start().await;
    let _worker = world.worker().await;
    let job = bill("BILL-1", "100010001");
    world.submit_new(std::slice::from_ref(&job)).await;

    world.until("BILL-1", "succeeded").await;
    let ledger = world.books_agree().await;
    let record = &ledger.keys["100010001/1"];
    assert_eq!((record.executions, record.method.as_str()), (1, "funds.bill.upload"));
    let sent: Value = serde_json::from_str(&record.bytes).unwrap();
    assert_eq!((&sent["merchant_id"], &sent["remark"]), (&json!("1000000000826"), &json!("备注")));
    assert_eq!((&sent["order_amount"], &sent["extra"]), (&json!(199), &Value::Null));
    let goods: Value = serde_json::from_str(sent["goods_detail"].as_str().unwrap()).unwrap();
    assert_eq!(goods, job["body"]["goods_detail"]);
}

#[tokio::test]
async fn a_split_is_divided_among_its_receivers() {
    let world = Plan::new().start().await;
    let _worker = world.worker().await;
    world.submit_new(&[split("SPLIT-1", "P202108271011463510002")]).await;

    world.until("SPLIT-1", "succeeded").await;
    let ledger = world.books_agree().await;
    let record = &ledger.keys["P202108271011463510002"];
    assert_eq!(record.executions, 1);
    // Of two ways to name a receiver only the used one is sent.
    let receivers = r#"receivers=[{"receiverId":"800029","divisionProfit":"0.0001"},{"receiverId":"800028","divisionProfit":"0.0002"}]"#;
    assert!(record.bytes.contains(receivers), "{}", record.bytes);
    assert!(record.bytes.contains("useSysAutoDivisionReceivers=0"), "{}", record.bytes);
}

#[tokio::test]
async fn a_delayed_job_waits_and_delays_no_other() {
    let world = Plan::new().start().await;
    let _worker = world.worker().await;
    let (soon_ms, later) = (now_ms() + 3_000, jobs::in_days(300));
    let far = having(transfer("LATER"), "run_at", json!(later.rfc3339()));
    let mut unpaid = split("UNPAID", "P1");
    unpaid["body"]["paid_at"] = json!(later.rfc3339());
    let in_seconds = having(transfer("IN-SECONDS"), "run_at", json!(Millis(soon_ms.cast_unsigned()).rfc3339()));
    world.submit_new(&[far, unpaid, in_seconds, transfer("NOW")]).await;

    world.until("NOW", "succeeded").await;
    world.until("IN-SECONDS", "succeeded").await;
    let ledger = world.books_agree().await;
    assert!(ledger.keys["IN-SECONDS"].request_times_ms[0] >= soon_ms, "{:?}", ledger.keys["IN-SECONDS"]);
    let waiting = [world.job("LATER").await, world.job("UNPAID").await];
    assert_eq!(waiting[0]["due_at"], later.rfc3339(), "{}", waiting[0]);
    assert_eq!(
        waiting[1]["due_at"],
        later.plus(Duration::from_secs(60)).rfc3339(),
        "a minute after it was paid: {}",
        waiting[1]
    );
    for job in waiting {
        assert_eq!((&job["state"], &job["attempts"]), (&json!("queued"), &json!(0)), "{job}");
    }
}

#[tokio::test]
async fn every_life_of_a_transfer_is_followed_to_its_last_word() {
    let world = Plan::new().start().await;
    let lives =
        [("1", "succeeded"), ("9-1", "succeeded"), ("n-9-1", "succeeded"), ("9-0", "failed"), ("9-2", "refunded")];
    for (life, _) in lives {
        world.life(&format!("LIFE-{life}"), life).await;
    }
    http::put(
        &world.gateway,
        "/_lives",
        &json!({"key": "NAMELESS", "life": "n-9-1", "trade_no": "withheld-while-waiting"}),
    )
    .await;
    let _worker = world.worker().await;
    let mut jobs: Vec<Value> = lives.iter().map(|(life, _)| transfer(&format!("LIFE-{life}"))).collect();
    jobs.push(transfer("NAMELESS"));
    world.submit_new(&jobs).await;

    for (life, end) in lives {
        let job = world.until(&format!("LIFE-{life}"), end).await;
        assert_eq!(job["attempts"], 1, "what can be asked about is never sent again: {job}");
        assert_eq!(job["queries"] == 0, life == "1", "{job}");
    }
    // Without a number it cannot be queried: the identical bytes are sent again, and the response has the outcome.
    let nameless = world.until("NAMELESS", "succeeded").await;
    assert_eq!(nameless["attempts"], 2, "{nameless}");
    let ledger = world.books_agree().await;
    assert_eq!((ledger.keys["NAMELESS"].executions, ledger.keys["NAMELESS"].requests), (1, 2));
}

#[tokio::test]
async fn a_refused_division_fails_and_an_accepted_one_needs_review() {
    let world = Plan::new().set("accounts.shop.poll_deadline", "3s").start().await;
    world.life("P-REFUSED", "0").await;
    world.life("P-ACCEPTED", "9").await;
    let _worker = world.worker().await;
    world.submit_new(&[split("REFUSED", "P-REFUSED"), split("ACCEPTED", "P-ACCEPTED")]).await;

    let refused = world.until("REFUSED", "failed").await;
    assert!(refused["reason"]["message"].as_str().unwrap().contains("ACQ.ROYALTY_ACCOUNT_NOT_EXIST"), "{refused}");
    let accepted = world.until("ACCEPTED", "needs_review").await;
    assert_eq!(accepted["attempts"], 1, "{accepted}");
    world.books_agree().await;
}
