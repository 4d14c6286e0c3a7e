//! The dashboard's lists of notifications: masked, in pages, and refused by name.

use bursar_test_support::notifications::{METHOD, credit, post, signed, stamp, success};

use crate::pages::Browser;
use crate::world::{APP_ID, World};

/// The fields of [`credit`] that identify a person.
const PERSONAL: [&str; 2] = ["小明", "6222021234567890123"];

#[tokio::test]
async fn the_list_has_pages_marks_reviews_and_masks_names() {
    let world = World::start().await;
    let server = world.serve().await;
    for number in 1..=100 {
        let credit = signed(APP_ID, METHOD, &credit(&format!("r{number}"), "6"), &stamp(0));
        assert_eq!(post(&server, &credit).await, success());
    }
    let unread = signed(APP_ID, "<b>odd</b>.notify", &credit("r101", "6"), &stamp(0));
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
    let listed = browser.get("/notifications?account=main&held=true").await;
    assert_eq!(listed.text.matches("class=\"key\"").count(), 1, "{listed:?}");
    let one = browser.get("/notifications/main/101").await;
    one.says("its method is not one that notify_methods expects").says("No webhook");
    for page in [&page, &rest, &listed, &one] {
        for hidden in PERSONAL {
            page.does_not_say(hidden);
        }
    }
}

#[tokio::test]
async fn a_wrong_parameter_is_refused_by_name() {
    let world = World::start().await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    for path in [
        "/notifications/main/1",
        "/notifications/nowhere/1",
        "/notifications/shop/1", // its gateway sends no notifications
        "/notifications/main/x",
        "/notifications/main/-1",
        "/notifications/main/99999999999999999999",
        "/notifications/main/9007199254740992",
        "/notifications?account=nowhere",
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
    let world = World::start().await;
    let server = world.serve().await;
    assert_eq!(post(&server, &signed(APP_ID, METHOD, &credit("r1", "1"), &stamp(0))).await, success());
    let token = server.admit(&world, "operator", &["shop"]).await;
    let browser = Browser::signed_in(&server, &token).await;
    for path in ["/notifications/main/1", "/notifications?account=main"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 404, "{path}: {page:?}");
        page.does_not_say(METHOD);
    }
    browser.get("/notifications").await.says("No account receives notifications").does_not_say("=\"main\"");
    browser.get("/").await.does_not_say("account=main").does_not_say("Notifications held");
}
