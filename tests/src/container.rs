//! Redis in a container, where a Docker engine answers and already has the image: nothing is pulled, so nothing hangs.

use crate::cleanup::after_this_process;
use std::{env, process::Command, time::Duration};
use testcontainers::{
    GenericImage, ImageExt,
    bollard::{Docker, errors::Error},
    core::{IntoContainerPort, WaitFor},
    runners::AsyncRunner,
};
use tokio::time::timeout;

/// Built by `scripts/redis-image.sh` without any registry.
const LOCAL_IMAGE: &str = "bursar-test/redis:local";

/// An engine on this machine answers in milliseconds; one that takes longer is not fit for tests.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(3);

/// A container starts in under a second on an idle machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Starts a container that goes away with this process, and returns its URL, or why there is none.
pub(crate) async fn start() -> Result<String, String> {
    let image = env::var("BURSAR_TEST_REDIS_IMAGE").unwrap_or_else(|_| LOCAL_IMAGE.into());
    let (name, tag) = image.rsplit_once(':').ok_or_else(|| format!("{image} names no tag"))?;
    probe(&image).await?;

    let container = GenericImage::new(name, tag)
        .with_exposed_port(6379.tcp())
        .with_wait_for(WaitFor::message_on_stdout("Ready to accept connections"))
        .with_startup_timeout(START_TIMEOUT)
        .start()
        .await
        .map_err(|error| format!("{image} did not start: {}", whole(&error)))?;
    // Before anything else can fail: from here on the container ends with this process.
    after_this_process("docker rm --force --volumes \"$1\"", container.id());
    let host = container.get_host().await.map_err(|error| format!("no host to reach the container at: {error}"))?;
    let port = container.get_host_port_ipv4(6379).await.map_err(|error| format!("no published port: {error}"))?;
    // Its own removal on drop needs the runtime of the test that happened to come first.
    std::mem::forget(container);
    Ok(format!("redis://{host}:{port}/"))
}

/// Asks the engine for the image first: starting with a missing one would go and pull it.
async fn probe(image: &str) -> Result<(), String> {
    let engine = Docker::connect_with_defaults().map_err(|error| format!("no Docker engine: {}", whole(&error)))?;
    let engine = timeout(ENGINE_TIMEOUT, engine.negotiate_version())
        .await
        .map_err(|_| format!("the Docker engine did not answer within {ENGINE_TIMEOUT:?}"))?
        .map_err(|error| format!("no Docker engine: {}", whole(&error)))?;
    timeout(ENGINE_TIMEOUT, engine.inspect_image(image))
        .await
        .map_err(|_| format!("the Docker engine did not answer within {ENGINE_TIMEOUT:?}"))?
        .map_err(|error| {
            if matches!(error, Error::DockerResponseServerError { status_code: 404, .. }) {
                format!("the Docker engine has no image {image}; scripts/redis-image.sh builds it")
            } else {
                format!("the Docker engine would not look for {image}: {}", whole(&error))
            }
        })?;
    // Containers are removed by the command, because it still works when this process was killed.
    let command = Command::new("docker").arg("--version").output();
    command.map(drop).map_err(|error| format!("no docker command to remove a container with: {error}"))
}

/// The error with its causes: the first alone says little more than that something did not work.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
