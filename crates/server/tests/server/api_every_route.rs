//! Requests that no client should send, at every route that `/openapi.json` describes: a new route is tried, too. Every answer must be one
//! that the route describes.

use std::collections::BTreeSet;
use std::time::Duration;

use bursar_server::Settings;
use bursar_test_support::SOON;
use bursar_test_support::api::{answer, with_json};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::described::{Description, Route, by_role, samples};
use crate::jobs::transfer;
use crate::world::{Server, World};

const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PAY"];

/// Over the limit of every body.
const TOO_LONG: usize = 9 << 20;

/// A world with one job, a server, and all its routes.
async fn world(adjust: impl FnOnce(&mut Settings)) -> (World, Server, Vec<Route>) {
    let world = World::with(|settings| {
        settings.rate_per_second = 0;
        adjust(settings);
    })
    .await;
    world.submit_new(&[transfer("T")]).await;
    let server = world.serve().await;
    let routes = Description::read(&server).await.routes();
    assert!(routes.len() >= 18, "fewer routes than there were");
    (world, server, routes)
}

/// Checks that no request has done anything.
async fn untouched(world: &World, server: &Server) {
    assert_eq!(world.list().await.len(), 1, "{:?}", world.list().await);
    assert_eq!(world.job("T").await["history"], json!([]));
    let queues = server.read("/v1/queues").await;
    assert!(queues["queues"].as_array().unwrap().iter().all(|queue| queue["paused"].is_null()), "{queues}");
    world.books_agree().await;
}

#[tokio::test]
async fn a_wrong_method_is_answered_with_the_right_ones() {
    let (world, server, routes) = world(|_| {}).await;
    let paths: BTreeSet<&str> = routes.iter().map(|route| route.template.as_str()).collect();
    for template in paths {
        let there: Vec<&Route> = routes.iter().filter(|route| route.template == template).collect();
        let is_there = |method: &str| there.iter().any(|route| route.method == method);
        for method in METHODS.into_iter().filter(|method| !is_there(method)) {
            for token in ["", &server.tokens.producer, &server.tokens.operator] {
                let refused = answer(with_json(server.request(method, &there[0].path(), token), "{}")).await;
                refused.refuses(405, "method-not-allowed");
                let reply: BTreeSet<&str> = refused.header("allow").split(',').map(str::trim).collect();
                let mut right: BTreeSet<&str> = there.iter().map(|route| route.method.as_str()).collect();
                right.extend(is_there("GET").then_some("HEAD"));
                assert_eq!(reply, right, "{method} {template}");
            }
        }
    }
    untouched(&world, &server).await;
}

#[tokio::test]
async fn without_a_known_token_only_open_routes_do_anything() {
    let (world, server, routes) = world(|_| {}).await;
    let open: BTreeSet<&str> =
        routes.iter().filter(|route| !route.closed).map(|route| route.template.as_str()).collect();
    let expected = ["/healthz", "/metrics", "/notify/{account}", "/openapi.json", "/readyz"];
    assert_eq!(open, BTreeSet::from(expected), "what is open to strangers is decided here");
    let operator = &server.tokens.operator;
    let wrong = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some("Bearer wrong".to_owned()),
        Some(format!("Bearer {}", &operator[1..])),
        Some(format!("Bearer {operator}x")),
        Some(format!("Bearer {operator} {operator}")),
        Some(format!("Bearer {}", "x".repeat(6_000))),
        Some(format!("Basic {operator}")),
        Some(operator.clone()),
        Some("Bearer \u{e9}".to_owned()),
    ];
    for route in routes.iter().filter(|route| route.closed) {
        for given in &wrong {
            let request = with_json(server.request(&route.method, &route.path(), ""), "{}");
            let request =
                given.iter().fold(request, |request, given| request.header("authorization", given.as_bytes()));
            let refused = answer(request).await;
            route.refuses(&refused, 401, "unauthenticated");
            assert!(refused.header("www-authenticate").starts_with("Bearer"), "{route}: {refused:?}");
        }
    }
    untouched(&world, &server).await;
}

#[tokio::test]
async fn a_wrong_role_is_refused_before_anything_else_is_checked() {
    let (world, server, routes) = world(|_| {}).await;
    for route in routes.iter().filter(|route| route.closed) {
        for role in ["producer", "operator", "reader"] {
            let other = server.request(&route.method, &format!("{}?x=1", route.path()), by_role(&server, role));
            if route.roles().contains(&role) {
                route.refuses(&answer(other).await, 422, "invalid"); // it is looked at
                continue;
            }
            let long = vec![b' '; 100_000];
            for (path, body) in [(route.path(), b"{}".to_vec()), (route.path_with("account", "nowhere"), long)] {
                let request = server.request(&route.method, &format!("{path}?x=1"), by_role(&server, role));
                let refused = answer(request.body(body)).await;
                route.refuses(&refused, 403, "forbidden");
                let reply = refused.body["detail"].as_str().unwrap();
                assert!(reply.contains(role) && reply.ends_with(route.roles()[0]), "{reply}");
            }
        }
    }
    untouched(&world, &server).await;
}

#[tokio::test]
async fn an_unknown_name_in_a_path_is_not_found() {
    let (world, server, routes) = world(|_| {}).await;
    let long = "x".repeat(3_000);
    let wrong =
        ["nowhere", "%00", "%FF", "a%20b", "a%2Fb", "..%2F..", "18446744073709551616", "-1", "'", "\u{6c49}", &long];
    for route in &routes {
        for name in &route.names {
            for value in wrong {
                let path = route.path_with(name, value);
                let request = server.request(&route.method, &path, route.token(&server));
                let refused = answer(with_json(request, route.sample_body().to_string())).await;
                route.refuses(&refused, 404, "not-found");
            }
        }
    }
    untouched(&world, &server).await;
}

#[tokio::test]
async fn a_parameter_that_is_wrong_unknown_or_there_twice_is_named() {
    let (world, server, routes) = world(|_| {}).await;
    for route in routes.iter().filter(|route| route.closed) {
        let refused = async |query: &str| {
            let path = format!("{}?{query}", route.path());
            answer(with_json(server.request(&route.method, &path, route.token(&server)), "{}")).await
        };
        for unknown in ["x", "%C3%A9", "%FF", "jobs", "reason"] {
            let reply = refused(&format!("{unknown}=1")).await;
            route.refuses(&reply, 422, "invalid");
            assert!(reply.body["detail"].as_str().unwrap().contains("is not a parameter"), "{route}: {reply:?}");
        }
        for (name, schema) in &route.query {
            for value in wrong_values(schema) {
                let reply = refused(&format!("{name}={value}")).await;
                if name == "account" {
                    route.refuses(&reply, 404, "not-found"); // whatever the name of an account looks like
                } else {
                    route.blames(&reply, name, &value);
                }
            }
            let twice = refused(&format!("{name}=1&{name}=2")).await;
            route.blames(&twice, name, "two values");
        }
    }
    untouched(&world, &server).await;
}

/// Values that a parameter of this schema cannot have.
fn wrong_values(schema: &Value) -> Vec<String> {
    let mut wrong = vec!["%FF".to_owned(), "%00".to_owned(), "x".repeat(5_000)];
    // It may be a name of a queue or a key that the trail knows.
    let is_a_name = schema["maxLength"].is_number() && jsonschema::is_valid(schema, &json!("!nonsense∞"));
    if !is_a_name {
        wrong.push("%21nonsense%E2%88%9E".to_owned());
    }
    if schema["minimum"].is_number() {
        wrong.extend(["", "1.5", "1e3", "0x1", "99999999999999999999999"].map(str::to_owned));
        let number = |bound: &str, by: i64| schema[bound].as_i64().map(|bound| (bound + by).to_string());
        wrong.extend([number("minimum", -1), number("maximum", 1)].into_iter().flatten());
    }
    wrong
}

#[tokio::test]
async fn a_body_of_another_type_or_length_is_refused_as_such() {
    let (world, server, routes) = world(|_| {}).await;
    for route in routes.iter().filter(|route| route.bodies.is_some()) {
        let request = || server.request(&route.method, &route.path(), route.token(&server));
        if !route.is_for_gateways() {
            for encoding in ["gzip", "br", "deflate"] {
                let encoded = with_json(request(), r#"{"reason": "x"}"#).header("content-encoding", encoding);
                route.refuses(&answer(encoded).await, 415, "wrong-content-type");
            }
            for kind in ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/"] {
                let typed = request().header("content-type", kind).body(r#"{"reason": "x"}"#);
                route.refuses(&answer(typed).await, 415, "wrong-content-type");
            }
        }
        route.refuses(&answer(with_json(request(), vec![b' '; TOO_LONG])).await, 413, "payload-too-large");
        let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{TOO_LONG:x}\r\n");
        let reply = raw(&server, route, &chunked, TOO_LONG, "\r\n0\r\n\r\n").await;
        assert!(reply.starts_with("HTTP/1.1 413 "), "{route}: {reply}");

        let deep = "[".repeat(60_000);
        for text in ["", "{", "[]", "7", "null", "\"x\"", "true", "\u{0}", "{}", "{\"a\":1}{}", &deep] {
            let refused = answer(with_json(request(), text.to_owned())).await;
            if route.is_for_gateways() {
                route.refuses(&refused, 400, "");
            } else if serde_json::from_str::<Value>(text).is_err() {
                route.refuses(&refused, 400, "malformed");
            } else {
                route.refuses(&refused, 422, "invalid");
                assert!(!refused.wrong_fields().is_empty(), "{route}: {refused:?}");
            }
        }
        let refused = answer(with_json(request(), b"{\"reason\": \"\xff\"}".to_vec())).await;
        assert!([400, 422].contains(&refused.status), "{route}: {refused:?}");
    }
    untouched(&world, &server).await;
}

#[tokio::test]
async fn every_field_of_another_type_is_named() {
    let (world, server, routes) = world(|_| {}).await;
    let values = [json!(null), json!(true), json!(7), json!(1.5), json!("\u{0}"), json!([7]), json!({"x": 7})];
    let mut tried = 0;
    for route in routes.iter().filter(|route| !route.is_for_gateways()) {
        for object in route.bodies.iter().flatten() {
            let whole = samples(object);
            let post = async |body: &Map<String, Value>| {
                let request = server.request(&route.method, &route.path(), route.token(&server));
                answer(with_json(request, json!(body).to_string())).await
            };
            for (name, schema) in object {
                for value in values.iter().filter(|value| !is_of(schema, value)) {
                    let mut wrong = whole.clone();
                    wrong.insert(name.clone(), value.clone());
                    route.blames(&post(&wrong).await, name, &value.to_string());
                    tried += 1;
                }
            }
            let mut more = whole.clone();
            more.insert("colour".to_owned(), json!("red"));
            route.blames(&post(&more).await, "colour", "a field that it does not have");
        }
    }
    assert!(tried > 100, "{tried}");
    untouched(&world, &server).await;
}

/// True if a value may be right by its type. A text with a control character in it never is.
fn is_of(schema: &Value, value: &Value) -> bool {
    let type_of = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::Array(_) => "array",
        // A control character, and a field that none has.
        Value::String(_) | Value::Object(_) => return false,
    };
    schema["type"].as_array().is_some_and(|types| types.iter().any(|known| known == type_of))
}

#[tokio::test]
async fn a_body_that_never_comes_is_given_up_on() {
    let (world, server, routes) = world(|settings| settings.client_timeout = Duration::from_secs(1)).await;
    let server = &server;
    let slow = routes
        .iter()
        .filter(|route| route.bodies.is_some())
        .map(|route| async move { (route, raw(server, route, "Content-Length: 1000\r\n\r\n{", 0, "").await) });
    for (route, reply) in futures_util::future::join_all(slow).await {
        assert!(reply.starts_with("HTTP/1.1 408 "), "{route}: {reply}");
        let word = if route.is_for_gateways() { "fail" } else { "urn:bursar:problem:request-timeout" };
        assert!(reply.contains(word), "{route}: {reply}");
    }
    untouched(&world, server).await;
}

/// A request by hand: its head's end, so many bytes of a body, and its end. What is answered until the server closes.
async fn raw(server: &Server, route: &Route, head: &str, bytes: usize, end: &'static str) -> String {
    let connection = TcpStream::connect(&server.address).await.unwrap();
    let (mut reading, mut writing) = connection.into_split();
    let begin = format!(
        "{} {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{head}",
        route.method,
        route.path(),
        route.token(server)
    );
    writing.write_all(begin.as_bytes()).await.unwrap();
    let sent = tokio::spawn(async move {
        writing.write_all(&vec![b' '; bytes]).await.ok(); // a server that has heard enough may close
        writing.write_all(end.as_bytes()).await.ok();
        writing
    });
    let mut reply = Vec::new();
    tokio::time::timeout(SOON, reading.read_to_end(&mut reply)).await.expect("an answer in time").ok();
    sent.abort();
    String::from_utf8_lossy(&reply).into_owned()
}
