//! `cargo bench -p bursar-bench`: the pure steps of a job's way, one by one.

#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros write what they write; a benchmark may panic")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bursar_domain::{
    AccountRules, Call, GatewayKind, Job, JobProgress, Kind, Millis, Names, NewJob, Outcome, Policy, Received, State,
    after, next_action,
};
use bursar_gateways::{
    ContentType, GatewayRequest, QueryKey, ResponseSign, Secret, SubCodes, Transport, UnsignedErrors, UploadMethod,
    Yzt, YztSettings,
};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("../../../tests/vectors/vectors.json");
const KEY: &str = "1001XP2025010110000001";

fn new_job() -> NewJob {
    let body = json!({"node_id": "00061967", "total_amount": 12_500,
        "payer_store_no": "M880012345678-ST-000017-T-0017-queue-4-payer", "payer_type": "1",
        "payee_store_no": "M880012345678-ST-000017-T-0017-queue-4-payee-wxpay-CNY", "payee_type": "2", "arrive_time": "T0"});
    NewJob::new("main", "transfer", KEY, body)
}

fn accepted() -> Job {
    Job::validate(&new_job(), |_| Some(AccountRules::new(GatewayKind::Yzt))).unwrap()
}

fn content(criterion: &mut Criterion) {
    let new = new_job();
    criterion.bench_function("validate and write the canonical content", |bencher| {
        bencher.iter(|| Job::validate(black_box(&new), |_| Some(AccountRules::new(GatewayKind::Yzt))).unwrap());
    });
    let job = accepted();
    criterion.bench_function("hash the content", |bencher| bencher.iter(|| black_box(&job).content.hash()));
}

fn account(response_sign: impl FnOnce(&Value) -> ResponseSign) -> Yzt {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    Yzt::new(YztSettings {
        transport: Transport::new("http://127.0.0.1:9", ContentType::Form),
        app_id: "202404221232028501746384896".into(),
        app_auth_token: None,
        private_key: Secret::new(vectors["keys"]["app_private_pkcs8"].as_str().unwrap().to_owned()),
        response_sign: response_sign(&vectors),
        unsigned_errors: UnsignedErrors::default(),
        query_key: QueryKey::default(),
        upload_method: UploadMethod::default(),
        split: None,
        sub_codes: SubCodes::default(),
    })
    .unwrap()
}

/// By the vectors' platform, as it signs its answers.
fn signed(text: &str) -> String {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let key = STANDARD.decode(vectors["keys"]["platform_private_pkcs8"].as_str().unwrap()).unwrap();
    let key = RsaKeyPair::from_pkcs8(&key).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    STANDARD.encode(signature)
}

fn gateway(criterion: &mut Criterion) {
    let verifying =
        account(|vectors| ResponseSign::Required(vectors["keys"]["platform_public_spki"].as_str().unwrap().to_owned()));
    let waived = account(|_| ResponseSign::Waived);
    let order = GatewayRequest {
        kind: Kind::Transfer,
        key: KEY.into(),
        content: Arc::from(accepted().content.text()),
        trade_nos: Vec::new(),
        sent_before: false,
        send_by: None,
    };
    criterion.bench_function("write the signing content", |bencher| {
        bencher.iter(|| waived.signing_content(black_box(&order), "2026-01-02 15:04:05").unwrap());
    });
    let node = format!(
        r#"{{"code":"10000","msg":"Success","success":true,"data":{{"status":"9","platform_no":"{KEY}","trade_no":"20250101110000000000000001234","total_amount":12500}}}}"#
    );
    let answer = format!(r#"{{"bkfunds_balance_pay_apply_response":{node},"sign":"{}"}}"#, signed(&node));
    criterion.bench_function("read an answer, signature waived", |bencher| {
        bencher.iter(|| waived.understand(Call::Send, &order, black_box(&answer)));
    });
    assert_eq!(verifying.understand(Call::Send, &order, &answer).outcome, Outcome::Accepted, "the signature is good");
    criterion.bench_function("read an answer, its signature verified", |bencher| {
        bencher.iter(|| verifying.understand(Call::Send, &order, black_box(&answer)));
    });
}

fn rules(criterion: &mut Criterion) {
    let policy = Policy::default();
    let progress = JobProgress {
        state: State::Pending,
        sends: 1,
        resends: 0,
        queries: 3,
        losses: 0,
        first_sent: Some(Millis(1_764_000_000_000)),
        last_sent: Some(Millis(1_764_000_000_000)),
        sent_before: None,
        ordered: None,
        late_response: None,
        can_query: true,
        names: Names::Job,
        received: Received::Nothing,
        not_ready: false,
        repeat_is_answered: false,
        next_day: false,
        seed: 7,
    };
    let now = Millis(1_764_000_000_000).plus(Duration::from_secs(30));
    criterion.bench_function("next_action", |bencher| {
        bencher.iter(|| next_action(black_box(&progress), Call::Query, &policy, now));
    });
    criterion.bench_function("after", |bencher| {
        bencher.iter(|| after(black_box(&progress), Call::Query, Outcome::Accepted, &policy, now).unwrap());
    });
}

criterion_group!(micro, content, gateway, rules);
criterion_main!(micro);
