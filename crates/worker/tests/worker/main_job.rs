//! A worker against a real Redis and the simulator, in one process.

use std::sync::Arc;
use std::time::Duration;

use crate::support::fit;
use bursar_domain::{AccountRules, GatewayKind, NewJob, Policy, State};
use bursar_gateways::{Secret, Transport, Yzt, YztSettings};
use bursar_producer::{Outcome, Producer};
use bursar_simulator::{Options, Simulator};
use bursar_store::Store;
use bursar_test_support as harness;
use bursar_worker::{Account, Settings};
use serde_json::json;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_sent_once_and_followed_to_its_last_word() {
    let simulator =
        Simulator::start(Options { life_step: Duration::from_millis(50), ..Options::default() }).await.unwrap();
    let ready = simulator.ready();
    let redis = harness::redis().await;
    let store = Store::connect(&bursar_store::Settings { url: redis.url.clone(), prefix: harness::unique_prefix() })
        .await
        .unwrap();
    let mut settings = yzt_settings(ready);
    settings.transport.base_url = format!("http://{}", ready.listen);
    let account = Account {
        name: "main".parse().unwrap(),
        identity: String::new(),
        host: String::new(),
        gateway: Arc::new(Yzt::new(settings).unwrap()),
        policy: Policy { poll: vec![Duration::from_millis(20)], ..Policy::default() },
        rate_per_second: 0.0,
        kinds: AccountRules::new(GatewayKind::Yzt).kinds(),
    };
    let settings = Settings {
        name: "test".into(),
        host: String::new(),
        concurrency: 16,
        lease: Duration::from_secs(30),
        drain: Duration::from_secs(5),
        retention: Duration::from_secs(3600),
        journal: None,
        archiving: None,
        expected: None,
        metrics: Arc::default(),
        traces: bursar_telemetry::Traces::default(),
    };
    let drain = CancellationToken::new();
    let worker = tokio::spawn(bursar_worker::run(
        store.clone(),
        settings,
        tokio::sync::watch::channel(vec![account]).1,
        fit(),
        drain.clone(),
    ));

    let producer = Producer::on(store).account("main", AccountRules::new(GatewayKind::Yzt));
    let body = json!({"node_id": "00061967", "total_amount": 10, "payer_store_no": "amy99a", "payer_type": "1",
                      "payee_store_no": "amy99b", "payee_type": "2", "arrive_time": "T0"});
    let job = NewJob::new("main", "transfer", "1001XP2025010110000001", body);
    assert_eq!(producer.submit(&job).await.unwrap(), Outcome::New);
    let queue = "main/transfer".parse().unwrap();
    let ended =
        producer.wait(&queue, &job.platform_no.parse().unwrap(), Duration::from_secs(20)).await.unwrap().unwrap();

    assert_eq!(ended.state, State::Succeeded, "{ended:?}");
    assert_eq!(ended.attempts, 1);
    assert!(matches!(producer.submit(&job).await.unwrap(), Outcome::Existing(State::Succeeded)));
    drain.cancel();
    worker.await.unwrap().unwrap();
    let ledger = simulator.stop().await;
    assert_eq!(serde_json::to_value(&ledger).unwrap()["keys"]["1001XP2025010110000001"]["executions"], 1);
    assert!(ledger.violations.is_empty(), "{:?}", ledger.violations);
}

fn yzt_settings(ready: &bursar_simulator::Ready) -> YztSettings {
    YztSettings {
        transport: Transport::new(format!("http://{}", ready.listen), bursar_gateways::ContentType::Form),
        app_id: ready.app_id.clone(),
        app_auth_token: None,
        private_key: Secret::new(std::fs::read_to_string(&ready.app_private_key_file).unwrap()),
        response_sign: bursar_gateways::ResponseSign::Required(
            std::fs::read_to_string(&ready.platform_public_key_file).unwrap(),
        ),
        unsigned_errors: bursar_gateways::UnsignedErrors::default(),
        query_key: bursar_gateways::QueryKey::TradeNo,
        upload_method: bursar_gateways::UploadMethod::FundsBillUpload,
        split: None,
        sub_codes: bursar_gateways::SubCodes::default(),
    }
}
