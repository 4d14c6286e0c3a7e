//! Every page of the dashboard with texts of others that try to become markup: of producers, gateways, workers, operators and of
//! the one who wrote the address.

use std::time::Duration;

use bursar_domain::{GatewayText, HistoryEvent, Reason, Transition};
use bursar_store::{Claim, Commit};
use bursar_test_support::notifications::{BILLS, METHOD, credit, post, signed, stamp};
use bursar_test_support::{SOON, eventually};
use serde_json::{Value, json};

use crate::jobs::{bill, having, split, transfer, with};
use crate::pages::{Browser, Page};
use crate::world::{APP_ID, Server, World};

/// A text that leaves an attribute or an element, where either is not escaped.
const HOSTILE: &str = "'\"><xss7 onload=\"xss7\" onclick='xss7'>";

/// The same in an address.
const IN_ADDRESS: &str = "%27%22%3E%3Cxss7%20onload%3D%22xss7%22%20onclick%3D%27xss7%27%3E";

/// The same where white space is refused, as in keys.
const KEY: &str = "'\"><xss7>";

/// The key in an address.
const KEY_IN_ADDRESS: &str = "%27%22%3E%3Cxss7%3E";

/// As much of it as fits where the gateway's page has eight characters.
const SHORT: &str = "'\"><xss7";

/// Checks that a page has the text, and as a text alone.
fn is_text(page: &Page, path: &str) {
    let html = &page.text;
    assert!(!html.contains("<xss7"), "{path}: an element: {html}");
    for quote in ['"', '\''] {
        for name in ["onload", "onclick", "xss7"] {
            assert!(!html.contains(&format!("{quote} {name}=")), "{path}: an attribute: {html}");
        }
    }
    for attribute in
        ["href=\"javascript:", "src=\"javascript:", "action=\"javascript:", "<script>", " style=", "srcdoc"]
    {
        assert!(!html.contains(attribute), "{path}: {attribute}: {html}");
    }
}

fn body(job: Value, fields: &[(&str, &str)]) -> Value {
    fields.iter().fold(job, |job, (field, text)| with(job, field, json!(text)))
}

/// Jobs in review, cancelled, in quarantine and with a delivery that failed, whose every foreign field is hostile.
async fn jobs(world: &World, server: &Server) {
    let callback = |job: Value| having(job, "callback_url", json!(format!("https://shop.example/{HOSTILE}")));
    let fields = [("payer_store_no", HOSTILE), ("payee_store_no", KEY), ("node_id", SHORT)];
    let of_bill = [("store_id", KEY), ("user_id", SHORT), ("trade_no", KEY)];
    let all = [
        callback(body(transfer(KEY), &fields)),
        callback(body(transfer(&format!("{KEY}2")), &fields)),
        callback(body(bill(KEY, KEY), &of_bill)),
        callback(split(KEY, KEY)),
    ];
    world.submit_new(&all).await;
    let queue = "main/transfer".parse().unwrap();
    let wish = Claim::new(HOSTILE, 1, Duration::from_secs(30), 1);
    let claimed = world.store().claim(&queue, &wish).await.unwrap();
    let text = GatewayText::new(Some(HOSTILE), Some(HOSTILE));
    let event: HistoryEvent = serde_json::from_value(json!({
        "event": "response", "fence": claimed.jobs[0].fence, "call": "send", "worker": HOSTILE, "ms": 1,
        "outcome": "no_response", "trade_no": HOSTILE, "status": HOSTILE, "code": HOSTILE, "message": HOSTILE, "request_id": HOSTILE,
    }))
    .unwrap();
    let next = Transition::review(Reason::ResponseMismatch(text.clone()));
    let commit = Commit {
        reason: next.reason.clone(),
        trade_nos: vec![HOSTILE.to_owned()],
        gateway_status: Some(HOSTILE.to_owned()),
        event: Some(event),
        ..Commit::new(&claimed.jobs[0], claimed.now, next)
    };
    world.store().commit(&queue, &[commit]).await.unwrap();
    quarantined(world).await;
    let operator = Browser::signed_in(server, &server.tokens.operator).await;
    let path = format!("/jobs/shop/split/{KEY_IN_ADDRESS}/cancel");
    let done = operator.act(&path, &[("reason", HOSTILE)]).await;
    assert_eq!(done.status, 303, "{done:?}");
    world.store().pause(&queue, &Reason::Misconfigured(text)).await.unwrap();
    let done = operator.act("/queues/shop/split/pause", &[("reason", HOSTILE)]).await;
    assert_eq!(done.status, 303, "{done:?}");
}

/// The bill, with which worker after worker is lost.
async fn quarantined(world: &World) {
    let queue = "main/bill_upload".parse().unwrap();
    let mut claims = 0;
    eventually(SOON, "the job in quarantine", async || {
        claims += 1;
        let wish = Claim::new(HOSTILE, claims, Duration::from_millis(1), 1);
        let claimed = world.store().claim(&queue, &wish).await.unwrap();
        if claimed.quarantined.is_empty() { Err(claims) } else { Ok(()) }
    })
    .await;
}

/// Notifications whose method, record, content and names of fields are hostile, of a known method and of another.
async fn notifications(server: &Server) {
    let content =
        json!({"record_id": HOSTILE, "in_acct_name": HOSTILE, "deduct_status": HOSTILE, HOSTILE: HOSTILE}).to_string();
    for (method, content) in [
        (METHOD, credit(HOSTILE, HOSTILE)),
        (METHOD, content.clone()),
        (BILLS, json!({"order_id": HOSTILE, HOSTILE: {HOSTILE: [HOSTILE]}}).to_string()),
        (HOSTILE, content),
    ] {
        let (status, _) = post(server, &signed(APP_ID, method, &content, &stamp(0))).await;
        assert!(status == 200 || status == 422, "{status}");
    }
}

/// Every page with what was stored, and the addresses that repeat a part of themselves.
fn paths() -> Vec<String> {
    let mut paths: Vec<String> =
        ["/", "/jobs", "/review", "/quarantine", "/notifications", "/notifications?held=true", "/charts", "/sign-in"]
            .map(str::to_owned)
            .into();
    for state in ["queued", "in_doubt", "needs_review", "cancelled"] {
        paths.push(format!("/jobs?queue=main%2Ftransfer&state={state}"));
        paths.push(format!("/jobs?queue=shop%2Fsplit&state={state}"));
    }
    for (queue, key) in [("main/transfer", ""), ("main/transfer", "2"), ("main/bill_upload", ""), ("shop/split", "")] {
        let job = format!("/jobs/{queue}/{KEY_IN_ADDRESS}{key}");
        paths.extend(["/send", "/query", "/resolve", "/cancel", "/unknown"].map(|act| format!("{job}{act}")));
        paths.push(job);
    }
    for act in ["retry", "drop", "deliver"] {
        paths.push(format!("/quarantine/main/bill_upload/{KEY_IN_ADDRESS}/{act}"));
    }
    paths.extend((1..=4).map(|id| format!("/notifications/main/{id}")));
    paths.extend(["main/transfer", "shop/split", "main/bill_upload"].map(|queue| format!("/queues/{queue}/pause")));
    paths.extend(["main/transfer", "shop/split"].map(|queue| format!("/queues/{queue}/resume")));
    for template in [
        "/X",
        "/jobs/X/X/X",
        "/jobs/main/transfer/X/X",
        "/queues/X/X/X",
        "/quarantine/X/X/X/X",
        "/notifications/X/X",
        "/language/X",
        "/assets/X/X",
        "/language/en?to=X",
        "/sign-in?to=X",
        "/sign-in?to=/X",
        "/jobs?key=X",
        "/jobs?queue=X",
        "/jobs?state=X",
        "/jobs?cursor=X",
        "/jobs?X=X",
        "/jobs?platform_no=X",
        "/notifications?account=X",
        "/notifications?before=X",
        "/charts?range=X",
        "/charts?queue=X",
        "/review?X=X",
        "/?X=X",
    ] {
        paths.push(template.replace('X', IN_ADDRESS));
    }
    paths
}

#[tokio::test]
async fn no_foreign_text_becomes_markup_on_any_page() {
    let world = World::start().await;
    let server = world.serve().await;
    jobs(&world, &server).await;
    notifications(&server).await;
    let mut operator = Browser::signed_in(&server, &server.tokens.operator).await;
    let stranger = Browser::new(&server);
    let mut with_text = Vec::new();
    for language in ["en", "zh-CN"] {
        operator.language = language;
        for path in paths() {
            for browser in [&operator, &stranger] {
                let page = browser.get(&path).await;
                assert!(page.status < 500, "{path}: {page:?}");
                is_text(&page, &path);
                assert!(!page.header("location").contains('<'), "{path}: {page:?}");
            }
            if operator.get(&path).await.text.contains("&lt;xss7") {
                with_text.push(path);
            }
        }
        let refused = operator.post("/sign-in", &[("token", HOSTILE), ("to", HOSTILE)]).await;
        is_text(&refused, "POST /sign-in");
    }
    // The texts were there to become markup.
    for shown in ["/", "/jobs", "/review", "/quarantine", "/notifications", "/notifications/main/1"] {
        assert_eq!(
            with_text.iter().filter(|path| *path == shown).count(),
            2,
            "{shown} shows no foreign text: {with_text:?}"
        );
    }
    for shown in ["main/transfer", "shop/split"] {
        let job = format!("/jobs/{shown}/{KEY_IN_ADDRESS}");
        assert!(with_text.contains(&job), "{job} shows no foreign text: {with_text:?}");
    }
}
