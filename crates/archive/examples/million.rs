//! Writes an archive of a million lines in four chains, verifies it, and prints what each took:
//! `cargo run --example million -p bursar-archive -- [LINES]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it measures, and ends by a panic")]

use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use bursar_archive::{Archive, ArchivedJob, Signer, Trust, verify};

const CHAINS: u64 = 4;
const LINES_OF_A_SEGMENT: u64 = 10_000;

fn main() {
    let lines: u64 = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().unwrap());
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let signer = Signer::Key(Box::new(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()));
    let folder = std::env::temp_dir().join(format!("bursar-archive-{}", std::process::id()));
    let archive = Archive::create(&folder).unwrap();
    let begun = Instant::now();
    let (mut bytes, mut written) = (0, 0);
    while written < lines {
        let mut writer = archive.chain(&format!("{:02}", written / LINES_OF_A_SEGMENT % CHAINS)).begin().unwrap();
        while writer.lines() < LINES_OF_A_SEGMENT && written < lines {
            written += 1;
            writer.push(&body(written)).unwrap();
        }
        bytes += writer.bytes();
        writer.publish(&signer, written, |_| {}).unwrap();
    }
    let took = begun.elapsed();
    println!(
        "written: {written} lines, {} bytes a line, {:?}, {:?} a line",
        bytes / written,
        took,
        took / u32::try_from(written).unwrap()
    );
    let begun = Instant::now();
    let trust = Trust { keys: vec![signer.public_key()], heads: Vec::new() };
    let report = verify(&archive, &trust).unwrap();
    println!("verified: {} lines, sound: {}, {:?}", report.lines, report.is_sound(), begun.elapsed());
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(report.is_sound() && report.lines == lines);
}

/// A transfer of the usual size, with a send, a query and a delivery.
fn body(number: u64) -> String {
    let record = format!(
        r#"{{"v":2,"state":"succeeded","created_at":1795938993688,"updated_at":1795938993951,"fence":{number},"last_claim":"vm-27593-ea0526/{number}","sends":1,"queries":1,"first_sent_at":1795938993700,"last_sent_at":1795938993700,"sha256":"3q2+7w{number:016}AAAAAAAAAAAAAAAAAAAA","fair_group":"shop{number}","content":{{"node_id":"00061967","platform_no":"1001XP{number:016}","total_amount":{number},"payer_store_no":"amy99a","payer_type":"1","payee_store_no":"amy99b","payee_type":"2","arrive_time":"T0"}},"trade_nos":["2025{number:015}"],"gateway_status":"1","callback_url":"https://shop.example/bursar","webhooks":1,"history":[{{"event":"response","at":1795938993800,"call":"send","fence":{number},"worker":"vm-27593-ea0526","outcome":"accepted","code":"10000","ms":58}},{{"event":"response","at":1795938993951,"call":"query","fence":{number},"worker":"vm-27593-ea0526","outcome":"succeeded","code":"10000","ms":31}}]}}"#
    );
    let delivery = format!(
        r#"{{"event":"delivery","at":1795938994100,"outcome":"delivered","sequence":1,"webhook_id":"msg_{number}","receiver":"shop.example:443","status":204,"ms":22}}"#
    );
    let key = format!("1001XP{number:016}");
    let job = ArchivedJob {
        at: 1_795_942_593_951,
        queue: "main/transfer",
        key: &key,
        version: 1,
        record: &record,
        history: &[delivery],
    };
    job.body(&ArchivedJob::fingerprint(record.as_bytes(), job.history))
}
