//! The dashboard's pages of notifications: what the gateway told by itself, masked, with its versions, the job that it names,
//! and who was told of it.

use std::sync::atomic::{AtomicU16, Ordering};

use bursar_test_support::{Answer, Receiver, eventually};
use serde_json::json;

use crate::notifications::{BILLS, METHOD, app_id, credit, post, signed, stamp, success, with_a_bill, world};
use crate::pages::Browser;
use crate::world::SOON;

/// What a person could be known by in [`credit`].
const PERSONAL: [&str; 2] = ["小明", "6222021234567890123"];

#[tokio::test]
async fn notifications_are_listed_in_pages_those_held_are_marked_and_nobody_is_named() {
    let world = world().await;
    let server = world.serve().await;
    let app = app_id(&world);
    for number in 1..=100 {
        let credit = signed(&app, METHOD, &credit(&format!("r{number}"), "6"), &stamp(0));
        assert_eq!(post(&server, &credit).await, success());
    }
    let unread = signed(&app, "<b>odd</b>.notify", &credit("r101", "6"), &stamp(0));
    assert_eq!(post(&server, &unread).await.0, 422);
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    let queues = browser.get("/").await;
    queues.says("href=\"/notifications?account=main\"").says("1 held");

    let page = browser.get("/notifications").await;
    assert_eq!(page.text.matches("class=\"key\"").count(), 99, "{page:?}");
    page.says("held for a person").says("its method is not one that notify_methods expects").says("¥1,000.00");
    page.says("&lt;b&gt;odd").does_not_say("<b>odd");
    let next = page.text.split_once("href=\"/notifications?account=main&amp;held=&amp;before=").unwrap().1;
    let next = next.split('"').next().unwrap();
    let rest = browser.get(&format!("/notifications?account=main&held=&before={next}")).await;
    assert_eq!(rest.text.matches("class=\"key\"").count(), 2, "{rest:?}");
    rest.does_not_say("rel=\"next\"");
    let held = browser.get("/notifications?account=main&held=true").await;
    assert_eq!(held.text.matches("class=\"key\"").count(), 1, "{held:?}");
    let one = browser.get("/notifications/main/101").await;
    one.says("its method is not one that notify_methods expects").says("Nobody was to be told");
    for page in [&page, &rest, &held, &one] {
        for hidden in PERSONAL {
            page.does_not_say(hidden);
        }
    }
}

#[tokio::test]
async fn one_notification_is_shown_with_its_versions_and_with_what_its_receiver_answered() {
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
    eventually(SOON, "all to be told", async || {
        let pages = [1, 2, 3].map(async |number| browser.get(&format!("/notifications/main/{number}")).await);
        for page in pages {
            let page = page.await;
            if !page.text.contains("Nothing more is to be told") {
                return Err(page.text);
            }
        }
        Ok(())
    })
    .await;
    let mut failed = 0;
    for number in 1..=3 {
        let page = browser.get(&format!("/notifications/main/{number}")).await;
        page.says("Receiver told (message 1): HTTP 200").says("version 1").says("version 2").says("version 3");
        failed += page.text.matches("Receiver not told, to be tried again (message 1): HTTP 500").count();
        page.says("in_acct_no").says("****0123").says("¥1,000.00").says("name no job");
        for hidden in PERSONAL {
            page.does_not_say(hidden);
        }
    }
    assert_eq!(failed, 1, "one attempt failed");
    let last = browser.get("/notifications/main/3").await;
    last.says("went back").says("<code>deduct_status</code> <span class=\"flag\">changed</span>");
    last.does_not_say("<code>record_id</code> <span class=\"flag\">changed</span>");
    browser.get("/notifications/main/1").await.says("late").does_not_say("class=\"flag\">changed");
}

#[tokio::test]
async fn a_job_s_timeline_leads_to_the_notification_that_named_it_and_back() {
    let world = with_a_bill().await;
    let server = world.serve().await;
    for order in ["order-7", "order-8"] {
        let told = signed(
            &app_id(&world),
            BILLS,
            &json!({"order_id": order, "in_acct_name": "王小明"}).to_string(),
            &stamp(0),
        );
        assert_eq!(post(&server, &told).await, success());
    }
    let mut browser = Browser::signed_in(&server, &server.tokens.reader).await;
    let job = browser.get("/jobs/main/bill_upload/BILL").await;
    job.says("href=\"/notifications/main/1\"").says("named this job").says("href=\"/notifications?account=main\"");
    job.says("¥1.99").says("succeeded");
    browser.get("/notifications/main/1").await.says("href=\"/jobs/main/bill_upload/BILL\"").does_not_say("小明");
    browser.get("/notifications/main/2").await.says("order-8 in main/bill_upload: nobody has submitted such a job");
    browser.language = "zh";
    browser.get("/jobs/main/bill_upload/BILL").await.says("通知 1").says("网关的一条通知提到此任务");
    browser.get("/notifications/main/1").await.says("提到的任务").says("无需告知");
    world.books_agree().await;
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_refused_by_name() {
    let world = world().await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    for path in [
        "/notifications/main/1",
        "/notifications/nobody/1",
        "/notifications/shop/1", // its gateway notifies nobody
        "/notifications/main/x",
        "/notifications/main/-1",
        "/notifications/main/99999999999999999999",
        "/notifications/main/9007199254740992",
        "/notifications?account=nobody",
    ] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
    for (query, named) in
        [("held=maybe", "held"), ("before=x", "before"), ("befor=1", "befor"), ("before=1&before=2", "before")]
    {
        let page = browser.get(&format!("/notifications?{query}")).await;
        assert_eq!(page.status, 422, "{query}: {page:?}");
        page.says(named);
    }
    browser.get("/notifications").await.says("Nothing here");
}

#[tokio::test]
async fn who_has_a_token_for_other_accounts_is_shown_no_notification() {
    let world = world().await;
    let server = world.serve().await;
    assert_eq!(post(&server, &signed(&app_id(&world), METHOD, &credit("r1", "1"), &stamp(0))).await, success());
    let token = server.admit(&world, "operator", &["shop"]).await;
    let browser = Browser::signed_in(&server, &token).await;
    for path in ["/notifications/main/1", "/notifications?account=main"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 404, "{path}: {page:?}");
        page.does_not_say(METHOD);
    }
    browser.get("/notifications").await.says("No account is notified").does_not_say("=\"main\"");
    browser.get("/").await.does_not_say("account=main").does_not_say("Notifications held");
}
