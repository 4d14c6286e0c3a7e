//! The corpora of fuzzing for records and claims (`fuzz/`), replayed without libFuzzer.

#[path = "../../../../fuzz/properties/claim.rs"]
mod claim;
#[path = "../../../../fuzz/properties/record.rs"]
mod record;
#[path = "../../../../fuzz/properties/replay.rs"]
mod replay;

#[test]
fn what_fuzzing_kept_for_claim_holds() {
    replay::replay("claim", claim::check);
}

#[test]
fn what_fuzzing_kept_for_record_holds() {
    replay::replay("record", record::check);
}
