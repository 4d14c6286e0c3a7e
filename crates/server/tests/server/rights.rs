//! Roles × routes × accounts: one row for every method of every route. A route without a row fails.

use std::collections::BTreeSet;

use bursar_test_support::api::{answer, with_json};
use serde_json::json;

use crate::jobs::{split, transfer};
use crate::pages::Browser;
use crate::world::{Server, World, hang_up, token};
use bursar_test_support::{SOON, eventually};

/// The bearers of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// Everybody, without a token.
    Anybody,
    /// Bearers of a token with one of these roles.
    Tokens(&'static [&'static str]),
    /// People who are signed in, of any role.
    People,
    /// People who are signed in, to act: operators alone.
    Operators,
    /// The same where the path names no account: others are refused, whatever their accounts.
    OperatorsOfAny,
}

use For::{Anybody, Operators, OperatorsOfAny, People, Tokens};

/// Every role.
const ALL: &[&str] = &["producer", "operator", "reader"];

/// Method, route, bearers; the answer to a bearer that may, and to one whose token is for another account, which has no notifications.
type Row = (&'static str, &'static str, For, u16, u16);

/// The routes of programs.
const API: [Row; 37] = [
    ("GET", "/healthz", Anybody, 200, 200),
    ("GET", "/readyz", Anybody, 200, 200),
    ("GET", "/metrics", Anybody, 200, 200),
    ("GET", "/openapi.json", Anybody, 200, 200),
    ("POST", "/notify/{account}", Anybody, 400, 400),
    ("GET", "/v1/jobs", Tokens(ALL), 200, 200),
    ("POST", "/v1/jobs", Tokens(&["producer"]), 201, 422),
    ("GET", "/v1/jobs/{account}/{kind}/{platform_no}", Tokens(ALL), 200, 404),
    ("GET", "/v1/jobs/{account}/{kind}/{platform_no}/history", Tokens(ALL), 200, 404),
    ("POST", "/v1/jobs/{account}/{kind}/{platform_no}/reveal", Tokens(&["operator"]), 200, 404),
    ("POST", "/v1/jobs/{account}/{kind}/{platform_no}/query", Tokens(&["operator"]), 409, 404),
    ("POST", "/v1/jobs/{account}/{kind}/{platform_no}/send", Tokens(&["operator"]), 200, 404),
    ("POST", "/v1/jobs/{account}/{kind}/{platform_no}/resolve", Tokens(&["operator"]), 409, 404),
    ("POST", "/v1/jobs/{account}/{kind}/{platform_no}/cancel", Tokens(&["operator"]), 200, 404),
    ("GET", "/v1/queues", Tokens(ALL), 200, 200),
    ("POST", "/v1/queues/{account}/{kind}/pause", Tokens(&["operator"]), 200, 404),
    ("POST", "/v1/queues/{account}/{kind}/resume", Tokens(&["operator"]), 200, 404),
    ("GET", "/v1/proposals", Tokens(ALL), 200, 200),
    ("POST", "/v1/proposals/{proposal}/approve", Tokens(&["operator"]), 404, 404),
    ("POST", "/v1/proposals/{proposal}/reject", Tokens(&["operator"]), 404, 404),
    ("POST", "/v1/actions", Tokens(&["operator"]), 200, 200),
    ("POST", "/v1/actions/preview", Tokens(&["operator"]), 200, 200),
    ("GET", "/v1/webhooks", Tokens(ALL), 200, 200),
    ("GET", "/v1/webhooks?account={account}", Tokens(ALL), 200, 404),
    ("POST", "/v1/webhooks/resend", Tokens(&["operator"]), 200, 404),
    ("GET", "/v1/quarantine", Tokens(ALL), 200, 200),
    ("POST", "/v1/quarantine/{account}/{kind}/{entry}/retry", Tokens(&["operator"]), 404, 404),
    ("POST", "/v1/quarantine/{account}/{kind}/{entry}/deliver", Tokens(&["operator"]), 404, 404),
    ("POST", "/v1/quarantine/{account}/{kind}/{entry}/drop", Tokens(&["operator"]), 404, 404),
    ("GET", "/v1/audit", Tokens(&["operator"]), 200, 200),
    ("GET", "/v1/report", Tokens(ALL), 200, 200),
    ("GET", "/v1/workers", Tokens(ALL), 200, 200),
    ("GET", "/v1/events", Tokens(ALL), 200, 200),
    ("GET", "/v1/notifications", Tokens(ALL), 200, 422),
    ("GET", "/v1/notifications/{account}/{id}", Tokens(ALL), 404, 404),
    ("GET", "/v1/jobs?account={account}", Tokens(ALL), 200, 404),
    ("GET", "/v1/notifications?account={account}", Tokens(ALL), 200, 404),
];

/// The routes of people. A form is empty: 422 says that it was looked at, 409 that it does not say which state its reader saw.
const PAGES: [Row; 39] = [
    ("GET", "/", People, 200, 200),
    ("GET", "/queues/{account}/{kind}/{act}", Operators, 200, 404),
    ("POST", "/queues/{account}/{kind}/{act}", Operators, 422, 404),
    ("GET", "/jobs", People, 200, 200),
    ("GET", "/jobs/{account}/{kind}/{platform_no}", People, 200, 404),
    ("GET", "/jobs/{account}/{kind}/{platform_no}/reveal", Operators, 200, 404),
    ("POST", "/jobs/{account}/{kind}/{platform_no}/reveal", Operators, 422, 404),
    ("GET", "/jobs/{account}/{kind}/{platform_no}/{act}", Operators, 200, 404),
    ("POST", "/jobs/{account}/{kind}/{platform_no}/{act}", Operators, 409, 404),
    ("GET", "/review", People, 200, 200),
    ("GET", "/quarantine", People, 200, 200),
    ("GET", "/quarantine/{account}/{kind}/{key}/{act}", Operators, 200, 404),
    ("POST", "/quarantine/{account}/{kind}/{key}/{act}", Operators, 422, 404),
    ("GET", "/proposals", People, 200, 200),
    ("GET", "/proposals/{id}/{act}", OperatorsOfAny, 404, 404),
    ("POST", "/proposals/{id}/{act}", OperatorsOfAny, 404, 404),
    ("GET", "/actions", People, 303, 303),
    ("POST", "/actions", OperatorsOfAny, 422, 422),
    ("GET", "/actions/preview", People, 303, 303),
    ("POST", "/actions/preview", OperatorsOfAny, 422, 422),
    ("GET", "/webhooks", People, 200, 200),
    ("GET", "/webhooks/resend", OperatorsOfAny, 404, 404),
    ("POST", "/webhooks/resend", OperatorsOfAny, 404, 404),
    ("GET", "/audit", OperatorsOfAny, 200, 200),
    ("GET", "/notifications", People, 200, 200),
    ("GET", "/notifications/{account}/{id}", People, 404, 404),
    ("GET", "/charts", People, 200, 200),
    ("GET", "/charts.csv", People, 200, 200),
    ("GET", "/report", People, 200, 200),
    ("GET", "/report.csv", People, 200, 200),
    ("GET", "/workers", People, 200, 200),
    ("GET", "/live", People, 200, 200),
    ("GET", "/problems", Anybody, 200, 200),
    ("GET", "/sign-in", Anybody, 200, 200),
    ("GET", "/sign-in/provider", Anybody, 404, 404),
    ("GET", "/sign-in/return", Anybody, 404, 404),
    ("GET", "/language/{tag}", Anybody, 303, 303),
    ("GET", "/zone", Anybody, 303, 303),
    ("GET", "/assets/{version}/{name}", Anybody, 404, 404),
];

/// Forms that are tried by other tests: signing in and out (`forms.rs`, `sessions.rs`).
const ELSEWHERE: [(&str, &str); 2] = [("POST", "/sign-in"), ("POST", "/sign-out")];

/// The path of a row for one caller: each has its own job, so that no action meets another's.
fn path(route: &str, key: &str) -> String {
    let act = if route.starts_with("/queues") {
        "pause"
    } else if route.starts_with("/quarantine") {
        "drop"
    } else if route.starts_with("/proposals") {
        "approve"
    } else {
        "cancel"
    };
    let names = [
        ("{account}", "main"),
        ("{kind}", "transfer"),
        ("{platform_no}", key),
        ("{key}", key),
        ("{entry}", key),
        ("{act}", act),
        ("{proposal}", "00000000000000000000000000000000"),
        ("{id}", "1"),
        ("{tag}", "en"),
        ("{version}", "x"),
        ("{name}", "none.js"),
    ];
    names.iter().fold(route.to_owned(), |path, (name, value)| path.replace(name, value))
}

/// A world with a server, and a token of each role for the account `shop` alone.
async fn world() -> (World, Server, Vec<(&'static str, String)>) {
    let world = World::with(|settings| settings.rate_per_second = 0).await;
    let server = world.serve().await;
    let made = ALL.map_roles(|role| token(&format!("{role}-of-shop"), role, &["shop"]));
    let lines: String = made.iter().map(|(_, (_, lines))| lines.as_str()).collect();
    std::fs::write(world.tokens_file(), format!("{}{lines}", server.tokens.file)).unwrap();
    hang_up();
    let restricted: Vec<(&str, String)> = made.into_iter().map(|(role, (token, _))| (role, token)).collect();
    eventually(SOON, "the tokens to be known", async || {
        let status = answer(server.request("GET", "/v1/queues", &restricted[0].1)).await.status;
        if status == 200 { Ok(()) } else { Err(status) }
    })
    .await;
    (world, server, restricted)
}

/// Something for each role.
trait MapRoles {
    fn map_roles<T>(&self, make: impl Fn(&'static str) -> T) -> Vec<(&'static str, T)>;
}

impl MapRoles for &'static [&'static str] {
    fn map_roles<T>(&self, make: impl Fn(&'static str) -> T) -> Vec<(&'static str, T)> {
        self.iter().map(|role| (*role, make(role))).collect()
    }
}

fn whole_tokens(server: &Server) -> Vec<(&'static str, String)> {
    ALL.map_roles(|role| crate::described::by_role(server, role).to_owned())
}

/// The job of one caller.
fn name_of(key: &str) -> serde_json::Value {
    json!({"account": "main", "kind": "transfer", "platform_no": key})
}

/// The status of a program's request.
async fn called(server: &Server, (method, route): (&str, &str), token: &str, key: &str) -> u16 {
    let body = match route {
        "/v1/jobs" => transfer(&format!("new-{key}")),
        "/v1/webhooks/resend" => json!({"reason": "x", "queue": "main/transfer", "key": key}),
        "/v1/actions" => json!({"reason": "x", "action": "cancel", "jobs": [name_of(key)]}),
        "/v1/actions/preview" => json!({"action": "cancel", "jobs": [name_of(key)]}),
        route if route.ends_with("resolve") => json!({"reason": "x", "as": "failed"}),
        _ => json!({"reason": "x"}),
    };
    let request = server.request(method, &path(route, key), token);
    let request = if method == "POST" { with_json(request, body.to_string()) } else { request };
    request.send().await.unwrap().status().as_u16() // the stream of events has no end
}

#[tokio::test]
async fn every_route_has_its_rows() {
    let world = World::start().await;
    let server = world.serve().await;
    let rows = API.iter().chain(&PAGES).map(|(method, route, ..)| (*method, *route));
    let rows: BTreeSet<(&str, &str)> = rows.chain(ELSEWHERE).filter(|(_, route)| !route.contains('?')).collect();
    let mut routes = BTreeSet::new();
    for route in bursar_server::paths() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let status = answer(server.request(method, &path(route, "T"), "")).await.status;
            if status != 405 {
                routes.insert((method, route));
            }
        }
    }
    assert_eq!(routes, rows, "the routes, and the rows of this table");
}

#[tokio::test]
async fn programs_do_what_their_role_and_accounts_allow() {
    let (world, server, restricted) = world().await;
    let session = Browser::signed_in(&server, &server.tokens.operator).await;
    for (row, (method, route, whose, allowed, elsewhere)) in API.into_iter().enumerate() {
        for (is_whole, tokens) in [(true, whole_tokens(&server)), (false, restricted.clone())] {
            for (role, token) in tokens {
                let key = format!("{row}-{role}-{is_whole}");
                world.submit_new(&[transfer(&key)]).await;
                let expected = match whose {
                    Tokens(roles) if !roles.contains(&role) => 403,
                    Tokens(_) | Anybody => {
                        if is_whole {
                            allowed
                        } else {
                            elsewhere
                        }
                    }
                    People | Operators | OperatorsOfAny => unreachable!("a page"),
                };
                let status = called(&server, (method, route), &token, &key).await;
                assert_eq!(status, expected, "{method} {route} by a {role}, for all accounts: {is_whole}");
                if (method, route, status) == ("POST", "/v1/jobs", 201) {
                    world.accepted(transfer(&format!("new-{key}")));
                }
            }
        }
        let strangers = if whose == Anybody { allowed } else { 401 };
        for token in ["", "wrong"] {
            let status = called(&server, (method, route), token, "T").await;
            assert_eq!(status, strangers, "{method} {route} by a stranger");
        }
        let request = server.request(method, &path(route, "T"), "").header("cookie", &session.cookie);
        let status = with_json(request, "{}").send().await.unwrap().status();
        assert_eq!(status, strangers, "{method} {route}: a session is no token");
    }
    world.books_agree().await;
}

/// The status of a page, or of an empty form of this session.
async fn opened(browser: &Browser, (method, route): (&str, &str), form_token: &str) -> (u16, String) {
    let request = match method {
        "GET" => browser.client.get(format!("{}{}", browser.address, path(route, "T"))),
        _ => browser.form(&path(route, "T"), &[("form_token", form_token), ("reason", "")]),
    };
    let response = request.header("cookie", &browser.cookie).send().await.unwrap(); // `/live` has no end
    let location = response.headers().get("location").and_then(|location| location.to_str().ok());
    (response.status().as_u16(), location.unwrap_or_default().to_owned())
}

#[tokio::test]
async fn people_see_and_do_what_their_role_and_accounts_allow() {
    let (world, server, restricted) = world().await;
    world.submit_new(&[transfer("T"), split("S", "order-1")]).await;
    for (is_whole, tokens) in [(true, whole_tokens(&server)), (false, restricted)] {
        for (role, token) in tokens {
            let browser = Browser::signed_in(&server, &token).await;
            let form_token = browser.get("/").await.field("form_token").to_owned();
            for (method, route, whose, allowed, elsewhere) in PAGES {
                let expected = match whose {
                    Operators if role != "operator" && is_whole => 403, // of another account nothing is said at all
                    OperatorsOfAny if role != "operator" => 403,
                    Operators | OperatorsOfAny | People | Anybody => {
                        if is_whole {
                            allowed
                        } else {
                            elsewhere
                        }
                    }
                    Tokens(_) => unreachable!("not a page"),
                };
                let (status, _) = opened(&browser, (method, route), &form_token).await;
                assert_eq!(status, expected, "{method} {route} by a {role}, for all accounts: {is_whole}");
            }
        }
    }
    let stranger = Browser::new(&server);
    for (method, route, whose, allowed, _) in PAGES {
        let (status, location) = opened(&stranger, (method, route), "").await;
        if whose == Anybody {
            assert_eq!(status, allowed, "{method} {route} by a stranger");
        } else {
            assert!(status == 303 && location.starts_with("/sign-in"), "{method} {route} by a stranger: {status}");
        }
        let with_token = server.request(method, &path(route, "T"), &server.tokens.operator);
        let status = answer(with_token).await.status; // the client follows to the page that asks for a token
        assert!(whose == Anybody || status == 200, "{method} {route}: a token is no session: {status}");
    }
    assert_eq!(world.job("T").await["history"], json!([]), "nothing was done");
    world.books_agree().await;
}
