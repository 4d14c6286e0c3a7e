//! Two actions at once, of every pair that `/openapi.json` describes: one succeeds, and the other is refused with the first one's result.

use bursar_test_support::described::Route;
use serde_json::json;

use crate::described::Description;
use crate::jobs::transfers;
use crate::plan::Plan;
use crate::world::SOON;

/// The acts on a job that are described.
fn acts(routes: &[Route]) -> Vec<String> {
    let of_jobs = routes.iter().filter(|route| route.method == "POST" && route.names.contains(&"platform_no".into()));
    let acts = of_jobs.map(|route| route.template.rsplit('/').next().unwrap().to_owned());
    acts.filter(|act| act != "reveal").collect() // it changes nothing
}

#[tokio::test]
async fn of_two_actions_on_a_job_the_second_learns_of_the_first() {
    let plan = Plan::new().both("on_ambiguous", "hold").set("server.rate_per_second", 0);
    let world = plan.start().await;
    let server = world.serve().await;
    let acts = acts(&Description::read(&server).await.routes());
    assert!(acts.len() >= 4, "{acts:?}");
    let wang = server.admit(&world, "operator", &["main", "shop"]).await;
    let pairs: Vec<(&String, &String)> = acts.iter().flat_map(|one| acts.iter().map(move |two| (one, two))).collect();

    let worker = world.worker().await;
    let jobs = transfers("R", pairs.len());
    let lost = jobs.iter().map(|job| json!({"key": job["platform_no"], "on": "send", "fault": "lost-answer"}));
    world.faults(lost.collect()).await;
    world.submit_new(&jobs).await;
    world.until_all("all to be in review", |job| job["state"] == "needs_review").await;
    worker.terminate(); // it would go on with what they order
    worker.finished(SOON).await;
    world.submit_new(&transfers("Q", pairs.len())).await;

    let body = json!({"reason": "of two"});
    let order = |act: &str| {
        let mut body = body.clone();
        if act == "resolve" {
            body["as"] = json!("succeeded");
        }
        body
    };
    let mut learnt = 0;
    for (number, (one, two)) in pairs.into_iter().enumerate() {
        for (prefix, possible) in [("R", ["query", "send", "resolve"].as_slice()), ("Q", &["send", "cancel"])] {
            let path = |act: &str| format!("/v1/jobs/main/transfer/{prefix}-{:03}/{act}", number + 1);
            let (one_path, two_path, one_body, two_body) = (path(one), path(two), order(one), order(two));
            let both = (server.act(&one_path, &one_body), server.post(&two_path, &wang, &two_body));
            let (li, wang) = tokio::join!(both.0, both.1);
            let by = [(&li, one, "li"), (&wang, two, "restricted")];
            let done: Vec<_> = by.iter().filter(|(answer, ..)| answer.status == 200).collect();
            assert_eq!(done.is_empty(), !by.iter().any(|(_, act, _)| possible.contains(&act.as_str())), "{by:?}");
            for (refused, act, _) in by.iter().filter(|(answer, ..)| answer.status != 200) {
                refused.refuses(409, "invalid-state");
                let Some((_, first, who)) = done.first().filter(|_| possible.contains(&act.as_str())) else { continue };
                let last = &refused.body["last_action"];
                let first = if first.as_str() == "query" { "query" } else { first.as_str() };
                assert_eq!((&last["action"], &last["operator"]), (&json!(first), &json!(who)), "{act}: {refused:?}");
                let detail = refused.body["detail"].as_str().unwrap();
                assert!(detail.contains(&format!("{first} by {who}")) && detail.contains("of two"), "{detail}");
                learnt += 1;
            }
        }
    }
    assert!(learnt >= 5, "in both orders, two sends, two ends and two cancellations exclude each other: {learnt}");
}
