//! Every operation's answers, judged by the schemas that `/openapi.json` has for them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use bursar_domain::ApprovalAction;
use bursar_store::Heartbeat;
use bursar_test_support::api::{Answer, answer, with_json};
use bursar_test_support::events::Events;
use bursar_test_support::notifications::{BILLS, METHOD, credit, signed, stamp};
use serde_json::{Value, json};

use crate::described::{Description, Route, by_role};
use crate::jobs::{bill, having, split, transfer, with};
use crate::world::{APP_ID, Server, World};

const JOB: &str = "/v1/jobs/{account}/{kind}/{platform_no}";

/// A server with its description, and the operations that have been judged.
struct Judged {
    server: Server,
    routes: Vec<Route>,
    seen: RefCell<BTreeSet<String>>,
}

impl Judged {
    async fn of(server: Server) -> Self {
        let routes = Description::read(&server).await.routes();
        Self { server, routes, seen: RefCell::default() }
    }

    fn route(&self, method: &str, template: &str) -> &Route {
        let mut routes = self.routes.iter().filter(|route| route.method == method && route.template == template);
        routes.next().unwrap_or_else(|| panic!("{method} {template} is not described"))
    }

    /// Judges the answer to a request of the route's role, which has this status.
    async fn judge(&self, route: &Route, path: &str, body: Option<String>, status: u16) -> Answer {
        let request = self.server.request(&route.method, path, route.token(&self.server));
        let answered = answer(match body {
            Some(body) => with_json(request, body),
            None => request,
        })
        .await;
        assert_eq!(answered.status, status, "{route} {path}: {answered:?}");
        route.describes(&answered);
        if status < 300 {
            self.seen.borrow_mut().insert(route.to_string());
        }
        answered
    }

    async fn get(&self, template: &str, path: &str, status: u16) -> Value {
        self.judge(self.route("GET", template), path, None, status).await.body
    }

    async fn post(&self, template: &str, path: &str, body: &Value, status: u16) -> Value {
        self.judge(self.route("POST", template), path, Some(body.to_string()), status).await.body
    }
}

#[tokio::test]
async fn every_operation_answers_by_its_schema() {
    let world = World::start().await.with_two_operators(&[ApprovalAction::ResumeLostWrites]);
    let judged = Judged::of(world.serve().await).await;
    jobs(&judged).await;
    actions(&judged).await;
    queues(&judged).await;
    proposals(&world, &judged).await;
    quarantine(&world, &judged).await;
    notifications(&judged).await;
    events(&judged).await;
    let page = judged.get("/v1/audit", "/v1/audit?who=li&limit=1000", 200).await;
    assert!(page["events"].as_array().is_some_and(|events| events.len() > 3), "{page}");
    let report = judged.get("/v1/report", "/v1/report", 200).await;
    assert_eq!(report["reports"].as_array().map(Vec::is_empty), Some(false), "{report}");
    let at = world.store().now().await.unwrap();
    let beat = Heartbeat { at, queues: vec!["main/transfer".into()], queue_count: 1, ..Heartbeat::default() };
    world.store().heartbeat("w1", &beat).await.unwrap();
    let workers = judged.get("/v1/workers", "/v1/workers", 200).await;
    assert_eq!(workers["workers"].as_array().map(Vec::len), Some(1), "{workers}");
    for template in ["/healthz", "/metrics", "/openapi.json"] {
        judged.get(template, template, 200).await;
    }
    let ready = judged.server.get("/readyz").await;
    judged.route("GET", "/readyz").describes(&ready);
    judged.seen.borrow_mut().insert("GET /readyz".to_owned());
    let all: BTreeSet<String> = judged.routes.iter().map(Route::to_string).collect();
    assert_eq!(*judged.seen.borrow(), all, "an operation that is added is judged, too");
}

async fn jobs(judged: &Judged) {
    let submission = judged.route("POST", "/v1/jobs").body.as_ref().unwrap();
    let job = having(transfer("T"), "callback_url", json!("https://shop.example/bursar"));
    let job = having(job, "run_at", json!("2026-01-01T08:00:00+08:00"));
    for job in [&job, &split("S", "P1"), &bill("B", "o1"), &json!({"jobs": [transfer("U"), 7]})] {
        submission.accepts("a submission", job);
    }
    for status in [201, 200] {
        judged.post("/v1/jobs", "/v1/jobs", &job, status).await;
    }
    judged.post("/v1/jobs", "/v1/jobs", &with(transfer("T"), "total_amount", json!(11)), 409).await;
    judged.post("/v1/jobs", "/v1/jobs", &with(transfer("T"), "total_amount", json!("ten")), 422).await;
    let batch = json!({"jobs": [
        bill("B1", "o1"), split("S", "P1"), transfer("T"), bill("B2", "o1"), having(transfer("Y"), "kind", json!("x")), 7,
    ]});
    let outcomes = judged.post("/v1/jobs", "/v1/jobs", &batch, 200).await;
    assert_eq!(outcomes["jobs"].as_array().map(Vec::len), Some(6), "{outcomes}");

    let page = judged.get("/v1/jobs", "/v1/jobs?limit=2", 200).await;
    assert!(page["jobs"].as_array().map(Vec::len) == Some(2) && page["next"].is_string(), "{page}");
    let path = "/v1/jobs/main/transfer/T";
    judged.get(JOB, path, 200).await;
    judged.get(JOB, &format!("{path}?wait=1ms"), 200).await;
    judged.get(JOB, "/v1/jobs/main/transfer/unknown", 404).await;
    let reason = json!({"reason": "seen on the statement"});
    let end = json!({"reason": "seen on the statement", "as": "succeeded"});
    let act = async |path: &str, action: &str, body: &Value, status: u16| {
        judged.post(&format!("{JOB}/{action}"), &format!("{path}/{action}"), body, status).await
    };
    // A job that may have been sent needs a worker; the states of its actions are tested from outside.
    act(path, "reveal", &reason, 200).await;
    act(path, "send", &reason, 200).await;
    act(path, "query", &reason, 409).await;
    act(path, "resolve", &end, 409).await;
    act(path, "resolve", &reason, 422).await;
    act(path, "cancel", &reason, 200).await;
    let refused = act(path, "cancel", &reason, 409).await;
    assert_eq!((&refused["job"]["state"], &refused["last_action"]["action"]), (&json!("cancelled"), &json!("cancel")));
    for action in ["query", "resolve"] {
        judged.seen.borrow_mut().insert(judged.route("POST", &format!("{JOB}/{action}")).to_string());
    }
    let history = judged.get(&format!("{JOB}/history"), &format!("{path}/history"), 200).await;
    assert_eq!(history["history"].as_array().map(Vec::len), Some(2), "{history}");
}

async fn actions(judged: &Judged) {
    let named = |key: &str| json!({"account": "main", "kind": "transfer", "platform_no": key});
    let body = json!({"action": "cancel", "jobs": [named("U1"), named("none")]});
    judged.post("/v1/jobs", "/v1/jobs", &transfer("U1"), 201).await;
    let preview = judged.post("/v1/actions/preview", "/v1/actions/preview", &body, 200).await;
    assert_eq!((&preview["total"]["done"]["jobs"], &preview["total"]["refused"]["jobs"]), (&json!(1), &json!(1)));
    let body = json!({"action": "cancel", "reason": "twice", "jobs": [named("U1"), named("none")]});
    let results = judged.post("/v1/actions", "/v1/actions", &body, 200).await;
    assert_eq!(results["total"], json!({"done": 1, "proposed": 0, "refused": 1, "failed": 0}));
    let path = "/v1/webhooks?state=waiting&receiver=shop.example&limit=5";
    let waiting = judged.get("/v1/webhooks", path, 200).await;
    assert!(waiting["webhooks"].as_array().is_some_and(|found| !found.is_empty()), "{waiting}");
    let body = json!({"reason": "it is back", "queue": "main/transfer", "key": "T"});
    let resent = judged.post("/v1/webhooks/resend", "/v1/webhooks/resend", &body, 200).await;
    assert_eq!(resent["webhooks"][0]["outcome"], "resent");
    let body = json!({"reason": "it is back", "receiver": "shop.example"});
    judged.post("/v1/webhooks/resend", "/v1/webhooks/resend", &body, 200).await;
}

async fn queues(judged: &Judged) {
    let reason = json!({"reason": "maintenance"});
    for (action, status) in [("pause", 200), ("pause", 409), ("resume", 200), ("resume", 409)] {
        let template = format!("/v1/queues/{{account}}/{{kind}}/{action}");
        let view = judged.post(&template, &format!("/v1/queues/main/transfer/{action}"), &reason, status).await;
        assert!(view["queue"].is_string() || view["queue"].is_object(), "{view}");
        let queues = judged.get("/v1/queues", "/v1/queues", 200).await;
        assert_eq!(queues["queues"].as_array().map(Vec::len), Some(3), "{queues}");
    }
}

async fn proposals(world: &World, judged: &Judged) {
    let reason = json!({"reason": "seen, too"});
    world.lose_writes("shop/split").await;
    let resume = ("/v1/queues/{account}/{kind}/resume", "/v1/queues/shop/split/resume");
    let open = judged.post(resume.0, resume.1, &reason, 202).await;
    let refused = judged.post(resume.0, resume.1, &reason, 409).await;
    assert_eq!(refused["proposal"], open, "{refused}");
    let listed = judged.get("/v1/proposals", "/v1/proposals", 200).await;
    assert_eq!(listed["proposals"], json!([open]), "{listed}");
    let answer = async |id: &str, answer: &str, status: u16| {
        let template = format!("/v1/proposals/{{proposal}}/{answer}");
        judged.post(&template, &format!("/v1/proposals/{id}/{answer}"), &reason, status).await
    };
    let own = open["id"].as_str().unwrap();
    answer(own, "approve", 409).await;
    let withdrawn = answer(own, "reject", 200).await;
    assert_eq!(withdrawn["outcome"], "withdrawn", "{withdrawn}");
    answer(own, "approve", 404).await;
    let others = world.propose_resume("shop/split", "wang").await;
    let done = answer(&others, "approve", 200).await;
    assert_eq!((&done["queue"]["queue"], &done["job"]), (&json!("shop/split"), &Value::Null), "{done}");
}

async fn quarantine(world: &World, judged: &Judged) {
    let reason = json!({"reason": "left by a test"});
    judged.post("/v1/jobs", "/v1/jobs", &split("Q", "P9"), 201).await;
    world.quarantine("shop/split", "Q").await;
    world.damage("shop/split", "ghost/1").await;
    world.quarantine_webhook("shop/split", "S").await;
    let listed = judged.get("/v1/quarantine", "/v1/quarantine", 200).await;
    assert_eq!(
        (listed["jobs"].as_array().map(Vec::len), listed["webhooks"].as_array().map(Vec::len)),
        (Some(2), Some(1))
    );
    for (entry, action, status) in [
        ("ghost%2F1", "retry", 409),
        ("Q", "drop", 409),
        ("Q", "retry", 200),
        ("Q", "retry", 404),
        ("ghost%2F1", "drop", 200),
        ("ghost%2F1", "drop", 404),
        ("S", "deliver", 200),
        ("S", "deliver", 404),
    ] {
        let template = format!("/v1/quarantine/{{account}}/{{kind}}/{{entry}}/{action}");
        judged.post(&template, &format!("/v1/quarantine/shop/split/{entry}/{action}"), &reason, status).await;
    }
}

async fn notifications(judged: &Judged) {
    let post = async |text: String, status: u16| {
        judged.judge(judged.route("POST", "/notify/{account}"), "/notify/main", Some(text), status).await
    };
    post(signed(APP_ID, METHOD, &credit("r1", "6"), &stamp(0)), 200).await;
    post(signed(APP_ID, METHOD, &credit("r1", "1"), &stamp(0)), 200).await;
    post(signed(APP_ID, BILLS, "{\"no_order\":1}", &stamp(0)), 422).await;
    post("[]".to_owned(), 400).await;
    let page = judged.get("/v1/notifications", "/v1/notifications?limit=1", 200).await;
    assert!(page["next"].is_u64(), "{page}");
    let listed = judged.get("/v1/notifications", "/v1/notifications?held=true", 200).await;
    assert_eq!(listed["notifications"][0]["reason"]["code"], "names_no_job", "{listed}");
    judged.get("/v1/notifications/{account}/{id}", "/v1/notifications/main/2", 200).await;
    judged.get("/v1/notifications/{account}/{id}", "/v1/notifications/main/99", 404).await;
}

async fn events(judged: &Judged) {
    let route = judged.route("GET", "/v1/events");
    let refused =
        answer(judged.server.request("GET", "/v1/events?last_event_id=x", by_role(&judged.server, "reader"))).await;
    route.refuses(&refused, 422, "invalid");
    let (_, described) = route.answers.iter().find(|(status, _)| status == "200").unwrap();
    let judge = described.event.as_ref().expect("events have a schema");
    let mut events = Events::of(&judged.server, "", Some("0")).await;
    let mut names = BTreeSet::new();
    while !(names.contains("job") && names.contains("queue") && names.contains("notification")) {
        let (_, name, data) = events.next().await;
        judge.accepts(&name, &data);
        names.insert(name);
    }
    judged.seen.borrow_mut().insert(route.to_string());
}
