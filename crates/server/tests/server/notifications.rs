//! Notifications of a gateway: refusals, and the events of those that are stored.

use bursar_test_support::api::answer;
use bursar_test_support::notifications::{
    BILLS, METHOD, announced, announced_to, credit, post, signed, stamp, success,
};
use serde_json::{Value, json};

use crate::jobs::{bill, split};
use crate::world::{APP_ID, World};

#[tokio::test]
async fn what_must_not_be_acknowledged_is_answered_fail() {
    let world = World::start().await;
    let server = world.serve().await;
    let good = signed(APP_ID, METHOD, &credit("r1", "6"), &stamp(0));
    let refused = [
        (good.replace("100000", "900000"), 401),
        (signed("20990101000000000000000000", METHOD, &credit("r1", "6"), &stamp(0)), 401),
        ("[]".to_owned(), 400),
        ("x".repeat(70_000), 413),
        (signed(APP_ID, METHOD, &credit("r1", "6"), &stamp(6)), 400),
        // A signed notification that cannot be read is held, and the gateway delivers it again.
        (signed(APP_ID, METHOD, "{\"record_id\":\"r1\"}}", &stamp(0)), 422),
        (signed(APP_ID, METHOD, "{\"record_id\":\"\"}", &stamp(0)), 422),
        (signed(APP_ID, "some.other.notify", &credit("r1", "6"), &stamp(0)), 422),
        (signed(APP_ID, BILLS, "{\"no_order\":1}", &stamp(0)), 422),
    ];
    for (body, status) in refused {
        assert_eq!(post(&server, &body).await, (status, json!("fail")), "{body:.200}");
    }
    assert_eq!(server.read("/v1/notifications").await["notifications"], json!([]));
    let listed = server.read("/v1/notifications?held=true").await;
    assert_eq!(listed["notifications"].as_array().unwrap().len(), 4, "{listed}");
    assert_eq!(answer(server.request("POST", "/notify/nowhere", "").body(good)).await.status, 404);
}

#[tokio::test]
async fn a_follower_of_one_kind_gets_the_notifications_of_its_jobs() {
    let world = World::start().await;
    let server = world.serve().await;
    assert_eq!(post(&server, &signed(APP_ID, METHOD, &credit("r1", "6"), &stamp(0))).await, success());
    assert_eq!(post(&server, &signed(APP_ID, BILLS, "{\"order_id\":\"order-7\"}", &stamp(0))).await, success());
    let all = announced(&server, "FIRST").await;
    let kinds: Vec<&Value> = all.iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, [&Value::Null, &json!("bill_upload")], "{all:?}");
    let last = bill("SECOND", "SECOND");
    let bills = announced_to(&server, &server.tokens.reader, "&kind=bill_upload", last).await;
    assert_eq!(bills, [all[1].clone()]);
}

#[tokio::test]
async fn a_token_of_other_accounts_sees_no_notification() {
    let world = World::start().await;
    let server = world.serve().await;
    assert_eq!(post(&server, &signed(APP_ID, METHOD, &credit("r1", "1"), &stamp(0))).await, success());
    let other = server.admit(&world, "producer", &["shop"]).await;
    for path in ["/v1/notifications?account=main", "/v1/notifications/main/1"] {
        assert_eq!(answer(server.request("GET", path, &server.tokens.producer)).await.status, 200, "{path}");
        answer(server.request("GET", path, &other)).await.refuses(404, "not-found");
    }
    let all = answer(server.request("GET", "/v1/notifications", &other)).await;
    all.refuses(422, "invalid");
    assert!(!all.body.to_string().contains("main"), "{all:?}");
    let events = announced_to(&server, &other, "", split("S", "order-1")).await;
    assert_eq!(events, [""; 0]);
    let own = server.admit(&world, "producer", &["main"]).await;
    assert_eq!(announced_to(&server, &own, "", bill("B", "order-1")).await.len(), 1);
    let listed = answer(server.request("GET", "/v1/notifications", &own)).await;
    assert_eq!(listed.body["notifications"].as_array().map(Vec::len), Some(1), "{listed:?}");
}
