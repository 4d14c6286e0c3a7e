//! Tokens for some accounts: they name accounts that there are.

use crate::plan::Plan;
use crate::world::SOON;

#[tokio::test]
async fn a_token_for_an_account_that_is_not_there_is_refused_by_name() {
    let world = Plan::new().start().await;
    let (_, lines) = crate::server::token_for("shop", "producer", &["mian"]).await;
    std::fs::write(world.tokens_file(), lines).unwrap();
    let refused = world.run(&["serve"]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("token 1 (shop): accounts names \"mian\""), "{refused:?}");
    assert!(refused.stderr.contains("there are main, shop"), "{refused:?}");
    let wrong = crate::world::bursar(&["token", "shop", "--role", "producer", "--account", "a b"]);
    let wrong = bursar_test_support::Process::run("bursar token", wrong, SOON).await;
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}
