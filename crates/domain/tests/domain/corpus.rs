//! The corpus that fuzzing found for submissions (`fuzz/`), run again without libFuzzer.

#[path = "../../../../fuzz/properties/job.rs"]
mod job;
#[path = "../../../../fuzz/properties/replay.rs"]
mod replay;

#[test]
fn what_fuzzing_kept_for_job_holds() {
    replay::replay("job", job::check);
}
