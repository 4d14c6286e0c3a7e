//! Random stories of producers, workers, operators and passing time in two queues of one partition, applied to the
//! store and to a reference in plain Rust: after each step both have returned the same and have the same state. A
//! failing story is shortened to the steps that it needs.
//!
//! `PROPTEST_CASES=5000` runs more stories. Earlier failures run first (`model-failures.txt` in Cargo's folder for this
//! crate's tests).

mod picture;
mod real;
mod reference;
mod story;

use std::sync::LazyLock;

use proptest::strategy::{BoxedStrategy, Just, Strategy};
use proptest::test_runner::{Config, FileFailurePersistence};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tokio::runtime::Runtime;

use picture::Picture;
use real::Real;
use reference::Model;
use story::Step;

/// Stories in one run: about a quarter of a minute.
const STORIES: u32 = 120;

/// The time limit of shortening a failing story, in milliseconds.
const SHORTENING_MS: u32 = 60_000;

/// One for all stories: the connections of a story end with it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
});

fn config() -> Config {
    let reported = concat!(env!("CARGO_TARGET_TMPDIR"), "/model-failures.txt");
    let requested = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config {
        cases: requested.unwrap_or(STORIES),
        max_shrink_time: SHORTENING_MS,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(reported))),
        ..Config::default()
    }
}

struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::default()).boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Step> {
        story::next(model)
    }

    fn preconditions(model: &Model, step: &Step) -> bool {
        model.allows(step)
    }

    fn apply(model: Model, step: &Step) -> Model {
        model.after(step)
    }
}

struct TheStore;

impl StateMachineTest for TheStore {
    type SystemUnderTest = Real;
    type Reference = Reference;

    fn init_test(_: &Model) -> Real {
        RUNTIME.block_on(Real::new())
    }

    fn apply(mut real: Real, model: &Model, step: Step) -> Real {
        let reported = RUNTIME.block_on(real.does(&step, model));
        assert_eq!(reported, model.reported, "the store's reply and the reference's to: {step:?}");
        real.before = model.clone();
        real
    }

    fn check_invariants(real: &Real, model: &Model) {
        model.keeps_its_promises();
        let seen = RUNTIME.block_on(Picture::of_redis(&real.scenes));
        assert_eq!(seen, Picture::of_model(model), "the state of the store and of the reference");
    }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn the_store_follows_its_rules_whatever_its_clients_do(sequential 1..80 => TheStore);
}
