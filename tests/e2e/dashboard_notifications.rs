//! The dashboard's pages of notifications: masked, with their versions, the jobs that they name,
//! and their deliveries.

use std::sync::atomic::{AtomicU16, Ordering};

use bursar_test_support::notifications::{BILLS, METHOD, credit, post, signed, stamp, success};
use bursar_test_support::{Answer, Receiver, eventually};
use serde_json::json;

use crate::notifications::{app_id, with_a_bill, world};
use crate::pages::Browser;
use crate::world::SOON;

/// Names and numbers in [`credit`] that identify a person.
const PERSONAL: [&str; 2] = ["小明", "6222021234567890123"];

#[tokio::test]
async fn a_notification_shows_its_versions_and_its_delivery() {
    let world = world().await;
    let status = AtomicU16::new(500);
    let receiver = Receiver::start(move |_| Answer::Status(status.swap(200, Ordering::SeqCst))).await;
    world.set("accounts.main.notify_callback_url", toml::Value::from(receiver.url("credits")));
    let server = world.serve().await;
    let app = app_id(&world);
    for (status, minutes) in [("6", -20), ("1", -10), ("0", -1)] {
        assert_eq!(post(&server, &signed(&app, METHOD, &credit("r1", status), &stamp(minutes))).await, success());
    }
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    eventually(SOON, "all to be delivered", async || {
        let pages = [1, 2, 3].map(async |number| browser.get(&format!("/notifications/main/{number}")).await);
        for page in pages {
            let page = page.await;
            if !page.text.contains("The delivery is over") {
                return Err(page.text);
            }
        }
        Ok(())
    })
    .await;
    let mut failed = 0;
    for number in 1..=3 {
        let page = browser.get(&format!("/notifications/main/{number}")).await;
        page.says("Delivered (webhook 1): HTTP 200").says("version 1").says("version 2").says("version 3");
        failed += page.text.matches("Not delivered, to be tried again (webhook 1): HTTP 500").count();
        page.says("in_acct_no").says("****0123").says("¥1,000.00").says("name no job");
        for hidden in PERSONAL {
            page.does_not_say(hidden);
        }
    }
    assert_eq!(failed, 1, "one attempt failed");
    let last = browser.get("/notifications/main/3").await;
    last.says("regressed").says("<code>deduct_status</code> <span class=\"flag\">changed</span>");
    last.does_not_say("<code>record_id</code> <span class=\"flag\">changed</span>");
    browser.get("/notifications/main/1").await.says("late").does_not_say("class=\"flag\">changed");
}

#[tokio::test]
async fn a_timeline_links_to_its_notification_and_back() {
    let world = with_a_bill().await;
    let server = world.serve().await;
    for order in ["order-7", "order-8"] {
        let notification = signed(
            &app_id(&world),
            BILLS,
            &json!({"order_id": order, "in_acct_name": "王小明"}).to_string(),
            &stamp(0),
        );
        assert_eq!(post(&server, &notification).await, success());
    }
    let mut browser = Browser::signed_in(&server, &server.tokens.reader).await;
    let job = browser.get("/jobs/main/bill_upload/BILL").await;
    job.says("href=\"/notifications/main/1\"").says("names this job").says("href=\"/notifications?account=main\"");
    job.says("¥1.99").says("succeeded");
    browser.get("/notifications/main/1").await.says("href=\"/jobs/main/bill_upload/BILL\"").does_not_say("小明");
    browser.get("/notifications/main/2").await.says("order-8 in main/bill_upload: no such job is stored");
    browser.language = "zh";
    browser.get("/jobs/main/bill_upload/BILL").await.says("通知 1").says("网关的一条通知提到此任务");
    browser.get("/notifications/main/1").await.says("提到的任务").says("无回调");
    world.books_agree().await;
}
