//! The corpus that fuzzing found for gateways and keys (`fuzz/`), run again without libFuzzer.

#[path = "../../../../fuzz/properties/beingfi_answer.rs"]
mod beingfi_answer;
#[path = "../../../../fuzz/properties/key_file.rs"]
mod key_file;
#[path = "../../../../fuzz/properties/notification.rs"]
mod notification;
#[path = "../../../../fuzz/properties/replay.rs"]
mod replay;
#[path = "../../../../fuzz/properties/yzt_answer.rs"]
mod yzt_answer;

#[test]
fn what_fuzzing_kept_for_yzt_answer_holds() {
    replay::replay("yzt_answer", yzt_answer::check);
}

#[test]
fn what_fuzzing_kept_for_beingfi_answer_holds() {
    replay::replay("beingfi_answer", beingfi_answer::check);
}

#[test]
fn what_fuzzing_kept_for_notification_holds() {
    replay::replay("notification", notification::check);
}

#[test]
fn what_fuzzing_kept_for_key_file_holds() {
    replay::replay("key_file", key_file::check);
}
