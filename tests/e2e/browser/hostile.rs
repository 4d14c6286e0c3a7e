//! Texts of producers, operators and gateways that try to become markup, on every page in a real browser: no script of theirs runs, no dialog
//! opens, and none of their elements and attributes is there.

use bursar_server::new_token;
use bursar_test_support::api::answer;
use bursar_test_support::notifications::{BILLS, METHOD, credit, post, signed, stamp};
use bursar_test_support::{eventually, private_file};
use serde_json::{Value, json};

use super::{Browser, DESK};
use crate::jobs::{bill, having, split, transfer, with};
use crate::notifications::{app_id, trust};
use crate::plan::Plan;
use crate::quarantine::rewritten;
use crate::server::Server;
use crate::world::{SOON, World};

/// A text that leaves an attribute, an element or a script where it is not escaped, and then says so.
const HOSTILE: &str = "'\"></title></script><script>alert(7)</script><img src=x onerror=alert(7)><xss7>";

/// The same where white space is refused, and in the length of a key.
const KEY: &str = "'\"><svg/onload=alert(7)><xss7>";

/// The same as the name of an operator and of a store.
const NAME: &str = "<img src=x onerror=alert(7)><xss7>";

/// All of a page that is not of the dashboard's own making.
const STRANGE: &str = "
    const own = arguments[0], strange = [];
    const foreign = address => { try { return new URL(address, location.href).origin !== own } catch { return true } };
    for (const element of document.querySelectorAll('*')) {
        const name = element.localName;
        if (['img', 'iframe', 'object', 'embed', 'base', 'style', 'xss7'].includes(name)) strange.push(name);
        if (name === 'script' && (!element.src || foreign(element.src))) strange.push('script');
        for (const { name, value } of element.attributes) {
            if (name.startsWith('on') || name === 'srcdoc' || name === 'style') strange.push(name);
            const leads = ['href', 'src', 'action', 'formaction', 'xlink:href'].includes(name);
            if (leads && foreign(value)) strange.push(value);
        }
    }
    for (const { name } of performance.getEntriesByType('resource')) if (foreign(name)) strange.push(name);
    return strange;";

/// All of the open page that is not of the dashboard's own making.
async fn strange(browser: &Browser) -> Value {
    browser.client.execute(STRANGE, vec![json!(browser.address)]).await.unwrap()
}

fn percent(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Jobs in review, queued, cancelled and in quarantine, and a pause, whose every foreign text is hostile.
async fn jobs(world: &World) {
    let worker = world.worker().await;
    world.in_review(KEY).await;
    worker.terminate();
    worker.finished(SOON).await;
    let fields = [("payer_store_no", NAME), ("payee_store_no", KEY)];
    let body = fields.iter().fold(transfer(&format!("{KEY}2")), |job, (field, text)| with(job, field, json!(text)));
    let body = with(body, "extra", json!({KEY: HOSTILE}));
    let callback = |job: Value| having(job, "callback_url", json!(format!("https://shop.example/{KEY}")));
    let damaged = transfer(&format!("{KEY}Q"));
    world.submit_new(&[callback(body), callback(bill(KEY, KEY)), split(KEY, KEY), damaged]).await;
}

/// The same of an operator's name and reasons; a proposal.
async fn acts(world: &World, server: &Server) {
    // `bursar token` refuses such a name, and a person may write it into the file all the same.
    let (token, sha256) = new_token().unwrap();
    let entry = format!("[[token]]\nname = \"{NAME}\"\nrole = \"operator\"\nsha256 = \"{sha256}\"\n");
    private_file(&world.tokens_file(), format!("{}\n{entry}", server.tokens.file));
    let file = world.file(&token).display().to_string();
    server.hang_up();
    eventually(SOON, "the token to be known", async || {
        let status = answer(server.request("GET", "/v1/queues", &token)).await.status;
        if status == 200 { Ok(()) } else { Err(status) }
    })
    .await;
    for act in [
        ["pause", "shop/split", "--reason", HOSTILE, "--token-file", &file].as_slice(),
        &["cancel", KEY, "--kind", "split", "--reason", HOSTILE, "--token-file", &file],
    ] {
        world.ok(act).await;
    }
    world.set("server.approvals", toml::Value::from(2));
    let send = ["send", KEY, "--kind", "transfer", "--reason", HOSTILE, "--token-file", &file];
    world.ok(&send).await;
}

async fn notifications(world: &World, server: &Server) {
    let app = app_id(world);
    let odd = json!({"record_id": HOSTILE, "in_acct_name": HOSTILE, HOSTILE: HOSTILE}).to_string();
    let order = json!({"order_id": KEY, HOSTILE: HOSTILE}).to_string();
    for (method, content) in [(METHOD, credit(HOSTILE, HOSTILE)), (METHOD, odd.clone()), (BILLS, order), (HOSTILE, odd)]
    {
        let (status, _) = post(server, &signed(&app, method, &content, &stamp(0))).await;
        assert!(status == 200 || status == 422, "{status}");
    }
}

/// The pages, and those of them that must show a hostile text.
async fn pages(server: &Server) -> Vec<(String, bool)> {
    let key = percent(KEY);
    let job = format!("/jobs/main/transfer/{key}");
    let open = server.read("/v1/proposals").await;
    let id = open["proposals"][0]["id"].as_str().expect("an open proposal").to_owned();
    let shown = |path: &str| (path.to_owned(), true);
    let mut pages: Vec<(String, bool)> =
        ["/", "/jobs", "/review", "/notifications", "/notifications?held=true", "/proposals", "/audit", "/quarantine"]
            .map(shown)
            .into();
    pages.extend((1..=4).map(|number| shown(&format!("/notifications/main/{number}"))));
    pages.extend([format!("/jobs/main/bill_upload/{key}"), format!("/jobs/shop/split/{key}")].map(|path| shown(&path)));
    pages.extend(["", "2", "/send", "/query", "/resolve"].map(|end| shown(&format!("{job}{end}"))));
    pages.extend([shown("/queues/shop/split/resume"), shown(&format!("/proposals/{id}/approve"))]);
    pages.push(shown(&format!("/audit?who={}", percent(NAME))));
    pages.push(("/charts".to_owned(), false));
    for template in ["/X", "/jobs?key=X", "/jobs?queue=X", "/jobs/X/X/X", "/audit?key=X", "/language/en?to=X", "/?X=X"]
    {
        pages.push((template.replace('X', &percent(HOSTILE).replace('+', "%20")), false));
    }
    pages
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver; .ci/run installs them and runs this"]
async fn no_foreign_text_acts_on_any_page() {
    let plan = Plan::new().both("on_ambiguous", "hold").set("webhooks.allow_unsigned", true);
    let world = plan.start().await;
    jobs(&world).await;
    trust(&world);
    let server = world.serve().await;
    acts(&world, &server).await;
    notifications(&world, &server).await;
    let browser = Browser::open(&server, DESK).await;

    let evil = format!("data:text/html,{}", percent(&format!("<p title='{HOSTILE}")).replace('+', "%20"));
    browser.client.goto(&evil.replace("alert%287%29", "0")).await.unwrap();
    let found = strange(&browser).await.to_string();
    assert!(["img", "script", "xss7", "onerror"].iter().all(|name| found.contains(name)), "the look is blind: {found}");

    browser.goto(&format!("/sign-in?to={}", percent(HOSTILE).replace('+', "%20"))).await;
    assert_eq!(strange(&browser).await, json!([]), "/sign-in");
    browser.sign_in(&server.tokens.operator).await;
    rewritten(&world, &format!("{KEY}Q"), "{").await;
    let worker = world.worker().await;
    eventually(SOON, "the record in quarantine", async || {
        let listed = world.ok(&["quarantine", "list", "--json"]).await;
        if listed.contains("xss7") { Ok(()) } else { Err(listed) }
    })
    .await;
    worker.terminate();
    worker.finished(SOON).await;
    for (path, has_text) in pages(&server).await {
        browser.goto(&path).await;
        browser.find("body").await;
        let alert = browser.client.get_alert_text().await;
        assert!(alert.is_err(), "{path}: a dialog: {alert:?}");
        let found = strange(&browser).await;
        assert_eq!(found, json!([]), "{path}");
        let text = browser.client.execute("return document.body.innerText", vec![]).await.unwrap();
        assert!(!has_text || text.as_str().unwrap().contains("xss7>"), "{path} shows no foreign text: {text}");
    }
    browser.close().await;
}
