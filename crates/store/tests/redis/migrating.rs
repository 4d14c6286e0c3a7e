//! A slot that moves to another server of a cluster, behind a client that follows `ASK`, such as a proxy.

use bursar_test_support::{Listen, Options, OwnRedis, eventually, free_port, private_redis};
use redis::aio::MultiplexedConnection;

use crate::scene::{SOON, Scene};

struct Node {
    server: OwnRedis,
    raw: MultiplexedConnection,
    bus: u16,
}

impl Node {
    async fn start() -> Self {
        let bus = free_port().unwrap();
        let server = private_redis(|options: Options| {
            let options = Options { listen: Listen::Loopback, ..options };
            options.setting("cluster-enabled", "yes").setting("cluster-port", bus.to_string())
        });
        let raw = redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
        Self { server, raw, bus }
    }

    async fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> Result<T, redis::RedisError> {
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut self.raw.clone()).await
    }

    async fn id(&self) -> String {
        self.command(&["CLUSTER", "MYID"]).await.unwrap()
    }

    fn port(&self) -> String {
        let url = self.server.url();
        url.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned()
    }
}

#[tokio::test]
async fn while_a_slot_migrates_no_script_runs_on_either_server() {
    let (source, target) = (Node::start().await, Node::start().await);
    source.command::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await.unwrap();
    source.command::<()>(&["CLUSTER", "MEET", "127.0.0.1", &target.port(), &target.bus.to_string()]).await.unwrap();
    for (node, other) in [(&source, target.id().await), (&target, source.id().await)] {
        eventually(SOON, "the servers to know each other", async || {
            let nodes: String = node.command(&["CLUSTER", "NODES"]).await.ok()?;
            let info: String = node.command(&["CLUSTER", "INFO"]).await.ok()?;
            (nodes.contains(&other) && info.contains("cluster_state:ok")).then_some(())
        })
        .await;
    }
    let scene = Scene::at(source.server.url()).await;
    // Jobs are refused on a cluster, which is not supported; this test is about the other scripts.
    let _: u64 = scene.command(&["HSET", &scene.name("queue"), "turn", "query"]).await;
    assert!(scene.claim("w", 1).await.jobs.is_empty());

    let base = scene.base();
    let slot: u16 = source.command(&["CLUSTER", "KEYSLOT", &base]).await.unwrap();
    let slot = slot.to_string();
    target.command::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source.id().await]).await.unwrap();
    source.command::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target.id().await]).await.unwrap();
    let claim = scene.store.claim(&scene.queue, &scene.wish("w", 1)).await.unwrap_err().chain();
    assert!(claim.contains("TRYAGAIN") || claim.contains("Multiple keys"), "{claim}");
    let mut asking = redis::pipe();
    asking.cmd("ASKING").ignore().cmd("EVAL").arg("return 'it runs'").arg(2).arg(&base).arg(scene.name("queue"));
    let followed = asking.query_async::<(String,)>(&mut target.raw.clone()).await.unwrap_err().to_string();
    assert!(followed.contains("TRYAGAIN") || followed.contains("Multiple keys"), "{followed}");

    source.command::<()>(&["CLUSTER", "SETSLOT", &slot, "STABLE"]).await.unwrap();
    assert!(scene.claim("w", 1).await.jobs.is_empty(), "it stays where it was");
}
