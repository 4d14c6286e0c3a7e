//! Runs the entries of `webhooks.allow` that fuzzing kept (`fuzz/`) again, without libFuzzer.

#[path = "../../../../fuzz/properties/allowed_network.rs"]
mod allowed_network;
#[path = "../../../../fuzz/properties/replay.rs"]
mod replay;

#[test]
fn what_fuzzing_kept_for_allowed_networks_holds() {
    replay::replay("allowed_network", allowed_network::check);
}
