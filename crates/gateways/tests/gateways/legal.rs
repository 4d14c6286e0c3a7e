//! Whatever a gateway says, what is understood can follow in the state machine: no answer to a call is illegal.

use std::collections::BTreeSet;

use crate::support::accounts::{again, bill, numbered, split, transfer};
use crate::support::{Act, Server, accounts, sign};
use bursar_domain::{Call, JobProgress, Millis, Names, Outcome, Policy, Received, State, after};
use bursar_gateways::{Beingfi, BeingfiSettings, Gateway, QueryKey, StatusQuery, SubCodes, Yzt, YztSettings};
use serde_json::json;

/// Everything that the gateways are known to say, and much that they are not.
fn bodies() -> Vec<String> {
    let mut bodies = Vec::new();
    for code in ["10000", "20000", "20001", "40001", "40002", "40004", "40006", "7"] {
        for sub_code in [
            "isv.service-busy",
            "isp.unknown-error",
            "aop.invalid-auth-token",
            "isv.missing-method",
            "isv.invalid-timestamp",
            "isv.invalid-signature",
            "isv.invalid-parameter",
            "isv.ip-forbidden",
            "isv.final",
            "isv.duplicate",
            "isv.later",
            "isv.unseen",
            "isv.unknown",
        ] {
            bodies.push(sign::refused(code, sub_code));
            bodies.push(format!(r#"{{"error_response":{}}}"#, sign::refusal(code, sub_code)));
        }
    }
    for status in ["0", "1", "2", "9", "n", "x"] {
        let data = format!(r#"{{"status":"{status}","total_amount":"10","platform_no":"{}"}}"#, accounts::KEY);
        bodies.push(sign::applied(&data));
        bodies.push(sign::queried(&data));
        bodies.push(sign::queried(&data.replace("10", "11")));
        bodies.push(sign::applied(&data.replace("10", "11")));
        bodies.push(sign::applied(&format!(r#"{{"status":"{status}"}}"#)));
        bodies.push(sign::beingfi(&format!(r#"{{"state":{status}}}"#), &format!("state={status}")));
    }
    for msg in ["当前订单状态不支持分账", "分账状态不正确", "订单不存在", "验签失败", "系统异常", "?"]
    {
        bodies.push(json!({"code": 9999, "msg": msg}).to_string());
    }
    bodies.extend(["", "{}", "<html>", r#"{"code":0}"#].map(str::to_owned));
    bodies
}

fn is_legal(state: State, call: Call, outcome: Outcome) -> bool {
    let progress = JobProgress {
        state,
        sends: 1,
        resends: 0,
        queries: 1,
        losses: 0,
        first_sent: Some(Millis(0)),
        last_sent: Some(Millis(0)),
        sent_before: None,
        ordered: None,
        late_response: None,
        can_query: true,
        names: Names::Job,
        received: Received::Nothing,
        not_ready: false,
        repeat_is_answered: true,
        next_day: false,
        seed: 1,
    };
    after(&progress, call, outcome, &Policy::default(), Millis(1000)).is_ok()
}

#[tokio::test]
async fn every_outcome_is_legal_in_every_state_of_its_call() {
    let all = bodies();
    let count = all.len();
    let server = Server::start(move |number, _| Act::Outcome(all[number % count].clone())).await;
    let sub_codes = SubCodes {
        refused: vec!["isv.final".into()],
        duplicate: vec!["isv.duplicate".into()],
        not_executed: vec!["isv.later".into()],
        unseen: vec!["isv.unseen".into()],
    };
    let settings = YztSettings { sub_codes, query_key: QueryKey::PlatformNo, ..accounts::yzt_settings(&server.url()) };
    let (yzt, beingfi) = (Yzt::new(settings).unwrap(), accounts::beingfi(&server.url()));

    let (mut to_sends, mut to_queries) = (BTreeSet::new(), BTreeSet::new());
    for order in [transfer(), again(transfer()), bill(), split()] {
        for _ in 0..count {
            to_sends.insert(yzt.send(&order).await.outcome.as_str());
        }
    }
    for order in [split(), again(split())] {
        for _ in 0..count {
            to_sends.insert(beingfi.send(&order).await.outcome.as_str());
        }
    }
    for _ in 0..count {
        to_queries.insert(yzt.status(&numbered(&[])).await.outcome.as_str());
    }

    // A vendor of BeingFi's family that can be asked about divisions.
    let path = Some("/api/division/query".to_owned());
    let settings = BeingfiSettings { split_query_path: path, ..accounts::beingfi_settings(&server.url()) };
    let queried = Beingfi::new(settings).unwrap();
    for _ in 0..count {
        to_queries.insert(queried.status(&again(split())).await.outcome.as_str());
    }

    for outcome in Outcome::ALL {
        let name = outcome.as_str();
        assert_eq!(to_sends.contains(name), outcome != Outcome::NotFound, "{name} to a send");
        assert_eq!(
            to_queries.contains(name),
            !matches!(outcome, Outcome::Rejected | Outcome::NotReady),
            "{name} to a query"
        );
        for state in [State::Queued, State::InDoubt, State::Pending] {
            assert!(!to_sends.contains(name) || is_legal(state, Call::Send, outcome), "{state}, send, {name}");
        }
        for state in [State::InDoubt, State::Pending, State::Succeeded] {
            assert!(!to_queries.contains(name) || is_legal(state, Call::Query, outcome), "{state}, ask, {name}");
        }
    }
}
