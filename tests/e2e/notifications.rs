//! Notifications from the gateway: each is kept before the gateway reads `success`, once, and changes no job's state.

use bursar_test_support::api::answer;
use bursar_test_support::notifications::{
    BILLS, METHOD, announced, credit, platform_public_key, post, signed, stamp, success,
};
use bursar_test_support::{Receiver, eventually};
use serde_json::{Value, json};

use crate::jobs::bill;
use crate::plan::Plan;
use crate::server::Server;
use crate::world::{SOON, World};

/// A world whose account trusts the vectors' platform, and so no answer of the simulator's.
pub(crate) async fn world() -> World {
    let world = Plan::new().set("webhooks.allow", vec!["127.0.0.1:*"]).start().await;
    trust(&world);
    world
}

/// The same with a bill that was uploaded before, about order 7.
pub(crate) async fn with_a_bill() -> World {
    let world = Plan::new().start().await;
    let worker = world.worker().await;
    world.submit_new(&[bill("BILL", "order-7")]).await;
    world.until("BILL", "succeeded").await;
    worker.terminate();
    worker.finished(SOON).await;
    trust(&world);
    world
}

pub(crate) fn trust(world: &World) {
    let key = world.file(platform_public_key());
    world.set("accounts.main.platform_public_key_file", toml::Value::from(key.display().to_string()));
    world.set("accounts.main.notify_methods", toml::Value::from(vec![format!("{BILLS} bill_upload /order_id")]));
}

/// The account's app id.
pub(crate) fn app_id(world: &World) -> String {
    let settings: toml::Table = std::fs::read_to_string(world.config()).unwrap().parse().unwrap();
    settings["accounts"]["main"]["app_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_notification_is_kept_once_masked_and_forwarded_whole() {
    let world = world().await;
    let receiver = Receiver::content().await;
    world.set("accounts.main.notify_callback_url", toml::Value::from(receiver.url("credits")));
    let server = world.serve().await;
    let first = signed(&app_id(&world), METHOD, &credit("r1", "6"), &stamp(0));
    for _ in 0..3 {
        assert_eq!(post(&server, &first).await, success());
    }
    let mut stream = server.request("GET", "/v1/events?last_event_id=0", &server.tokens.reader).send().await.unwrap();
    let mut output = String::new();
    while !output.contains("event: notification") {
        let chunk = tokio::time::timeout(SOON, stream.chunk()).await.expect("news in time").unwrap().expect("a stream");
        output.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(output.contains(r#""outcome":"new""#) && !output.contains("小明"), "{output}");
    let page = server.read("/v1/notifications").await;
    assert_eq!(page["notifications"].as_array().unwrap().len(), 1, "{page}");
    let shown = &page["notifications"][0];
    assert_eq!((&shown["id"], &shown["deliveries"], &shown["late"]), (&json!(1), &json!(3), &json!(false)));
    assert_eq!(
        (&shown["content"]["in_acct_no"], &shown["content"]["in_acct_name"]),
        (&json!("****0123"), &json!("****"))
    );
    let whole = answer(server.request("GET", "/v1/notifications/main/1", &server.tokens.operator)).await;
    assert_eq!(whole.body["notification"]["content"]["in_acct_name"], "王小明");

    eventually(SOON, "the callback", async || (!receiver.received().is_empty()).then_some(())).await;
    let message: Value = serde_json::from_str(&receiver.received()[0].body).unwrap();
    assert_eq!(
        (&message["type"], &message["data"]["content"]["in_acct_no"]),
        (&json!("notification.received"), &json!("6222021234567890123"))
    );

    let listed = world.ok(&["notifications", "--account", "main"]).await;
    assert!(
        listed.contains("****0123") && !listed.contains("小明") && !listed.contains("6222021234567890123"),
        "{listed}"
    );
    let one = world.ok(&["notifications", "1", "--account", "main", "--full", "--json"]).await;
    assert!(one.contains("王小明"), "{one}");
    assert!(!server.process.stderr().contains("小明") && !server.process.stderr().contains("6222021234567890123"));
}

#[tokio::test]
async fn an_old_one_is_marked_and_one_that_goes_back_is_an_alert() {
    let world = world().await;
    let server = world.serve().await;
    let app = app_id(&world);
    for (status, minutes) in [("6", -20), ("1", -10), ("0", -1)] {
        assert_eq!(post(&server, &signed(&app, METHOD, &credit("r1", status), &stamp(minutes))).await, success());
    }
    let page = server.read("/v1/notifications?account=main").await;
    let of = |name: &str| {
        page["notifications"].as_array().unwrap().iter().map(|view| view[name].clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("outcome"), ["regressed", "changed", "new"]);
    assert_eq!(of("late"), [false, false, true]);
    assert!(server.process.stderr().contains("takes back what an earlier one says is final"), "the log has it");
}

#[tokio::test]
async fn a_notification_wakes_its_job_and_leaves_its_state() {
    let world = with_a_bill().await;
    let server = world.serve().await;
    let before = world.job("BILL").await;
    let body = signed(&app_id(&world), BILLS, "{\"order_id\":\"order-7\",\"result\":\"failed\"}", &stamp(0));
    for _ in 0..2 {
        assert_eq!(post(&server, &body).await, success());
    }
    let after = world.job("BILL").await;
    assert_eq!((&after["state"], &after["updated_at"]), (&before["state"], &before["updated_at"]), "it only is a hint");
    let named: Vec<_> =
        after["history"].as_array().unwrap().iter().filter(|line| line["event"] == "notification").collect();
    assert_eq!(named.len(), 1, "{after}");
    assert_eq!((&named[0]["number"], &named[0]["method"]), (&json!(1), &json!(BILLS)));
    let unknown_job = signed(&app_id(&world), BILLS, "{\"order_id\":\"order-8\"}", &stamp(0));
    assert_eq!(post(&server, &unknown_job).await, success());
    world.books_agree().await;
}

#[tokio::test]
async fn repeated_notices_add_one_event_and_one_wake_each() {
    let world = with_a_bill().await;
    let server = world.serve().await;
    let app = app_id(&world);
    let notice = |result: &str| {
        let content = json!({"order_id": "order-7", "result": result}).to_string();
        signed(&app, BILLS, &content, &stamp(0))
    };
    let notices = [notice("under way"), notice("done")];
    for _ in 0..25 {
        for body in &notices {
            assert_eq!(post(&server, body).await, success());
        }
    }
    let job = world.job("BILL").await;
    let lines = job["history"].as_array().unwrap().iter().filter(|line| line["event"] == "notification").count();
    assert_eq!(lines, 2, "{job}");
    let said = server.process.stderr();
    assert_eq!(said.matches("a notification names a job").count(), 2, "{said}");
    let page = server.read("/v1/notifications?account=main").await;
    let deliveries: Vec<&Value> =
        page["notifications"].as_array().unwrap().iter().map(|view| &view["deliveries"]).collect();
    assert_eq!(deliveries, [25, 25], "each is counted");
}

#[tokio::test]
async fn an_old_notification_is_kept_and_not_forwarded() {
    let world = world().await;
    let receiver = Receiver::content().await;
    world.set("accounts.main.notify_callback_url", toml::Value::from(receiver.url("credits")));
    let server = world.serve().await;
    let app = app_id(&world);
    let captured = signed(&app, METHOD, &credit("r1", "1"), &stamp(-25 * 60));
    for _ in 0..2 {
        assert_eq!(post(&server, &captured).await, (422, json!("fail")));
    }
    assert_eq!(post(&server, &signed(&app, METHOD, &credit("r2", "1"), &stamp(-23 * 60))).await, success());
    eventually(SOON, "the one in time", async || (!receiver.received().is_empty()).then_some(())).await;
    let listed = server.read("/v1/notifications?held=true").await;
    assert_eq!(listed["notifications"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["notifications"][0]["reason"]["code"], "too_old", "{listed}");
    let bodies: Vec<String> = receiver.received().into_iter().map(|message| message.body).collect();
    assert!(bodies.iter().all(|body| body.contains("\"r2\"")), "{bodies:?}");
}

/// True if the server died before it answered.
async fn dies(server: &Server, body: &str) -> bool {
    let request = server.request("POST", "/notify/main", "").body(body.to_owned());
    request.send().await.is_err()
}

#[tokio::test]
async fn a_dying_server_acknowledges_only_what_is_kept() {
    for (point, kept) in [("before_notification", 0), ("after_notification", 1), ("before_success", 1)] {
        let world = world().await;
        let body = signed(&app_id(&world), METHOD, &credit("r1", "1"), &stamp(0));
        let dying = world
            .serve_with("serve", |command| {
                command.env("BURSAR_CRASH_AT", point);
            })
            .await;
        assert!(dies(&dying, &body).await, "{point}: no success leaves");
        assert_eq!(dying.process.finished(SOON).await.code, None, "{point}");
        let listed = world.ok(&["notifications", "--json"]).await;
        assert_eq!(listed.lines().count(), kept, "{point}: {listed}");
        let next = world.serve().await;
        let events = announced(&next, "FIRST").await;
        assert_eq!(events.len(), kept, "{point}: it is kept with its event: {events:?}");
        assert_eq!(post(&next, &body).await, success(), "{point}");
        let listed = world.ok(&["notifications", "--json"]).await;
        assert_eq!(listed.lines().count(), 1, "{point}: the resend is recognised: {listed}");
        let events = announced(&next, "SECOND").await;
        assert_eq!(events.len(), 1, "{point}: and is no news: {events:?}");
        assert_eq!((&events[0]["notification"], &events[0]["account"]), (&json!("1"), &json!("main")), "{events:?}");
    }
}
