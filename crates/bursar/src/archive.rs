//! The archive of a worker, as the configuration names it, and the posts of its seals.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bursar_archive::{Archive, PublicKey, Seal, Signer};
use bursar_http_client::{Client, causes, hardened};
use bursar_worker::Archiving;
use tokio::sync::mpsc;

use crate::accounts::{AccountError, read_file};
use crate::config::{self, Config};
use crate::exit::{Context, Failure};

/// Seals that wait to be posted; further ones are not posted, for Redis has the newest.
const WAITING_POSTS: usize = 256;

/// The attempts to post one seal, and the pause after the first; it doubles.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// The longest time of one attempt.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The archive that the configuration asks for. Seals are posted as long as the result is in use.
///
/// # Errors
/// If the folder cannot be used, or the key cannot be read.
pub(crate) async fn open(config: &Config) -> Result<Option<Archiving>, Failure> {
    let settings = &config.archive;
    let Some(folder) = &settings.dir else { return Ok(None) };
    let signer = signer(settings)?;
    let archive = Archive::create(folder).context("archive.dir")?;
    tracing::info!(folder = %folder.display(), archive = archive.id(), key = %signer.public_key(), "jobs that have ended are archived");
    let heads = match &settings.heads_url {
        Some(url) => {
            let client = hardened().timeout(TIMEOUT).build();
            let client = client.map_err(|error| Failure::no(format!("archive.heads_url: {}", causes(&error))))?;
            let (sender, seals) = mpsc::channel(WAITING_POSTS);
            tokio::spawn(post_all(client, url.expose().to_owned(), seals));
            Some(sender)
        }
        None => None,
    };
    let signer = Arc::new(signer);
    Ok(Some(Archiving { archive, signer, after: settings.after, every: settings.every, heads }))
}

fn signer(settings: &config::Archive) -> Result<Signer, Failure> {
    let unusable = |key: &str, path: &Path, rule| AccountError::Unusable { key: key.into(), path: path.into(), rule };
    match (&settings.sign_command, &settings.public_key_file, &settings.signing_key_file) {
        (Some(words), Some(path), _) => {
            let key = "archive.public_key_file";
            let public: PublicKey = read_file(key.into(), path)?
                .parse()
                .map_err(|_| unusable(key, path, "is no Ed25519 public key in PEM (`openssl pkey -pubout`)"))?;
            Ok(Signer::Command { words: words.clone(), key: public })
        }
        (_, _, Some(path)) => {
            let key = "archive.signing_key_file";
            let rule = "is no Ed25519 private key in PEM (`openssl genpkey -algorithm ed25519`)";
            Ok(Signer::from_pem(&read_file(key.into(), path)?).map_err(|_| unusable(key, path, rule))?)
        }
        // The configuration's own check has refused it.
        (_, _, None) => Err(Failure::no("archive.dir needs signing_key_file or sign_command")),
    }
}

async fn post_all(client: Client, url: String, mut seals: mpsc::Receiver<Seal>) {
    while let Some(seal) = seals.recv().await {
        let mut pause = PAUSE;
        for attempt in 1..=ATTEMPTS {
            match post(&client, &url, &seal).await {
                Ok(()) => break,
                Err(error) if attempt == ATTEMPTS => {
                    let Seal { chain, segment, .. } = &seal;
                    tracing::error!(%error, chain, segment, "a seal could not be posted to archive.heads_url");
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause *= 2;
        }
    }
}

async fn post(client: &Client, url: &str, seal: &Seal) -> Result<(), String> {
    let request = client.post(url).header("content-type", "application/json").body(seal.text());
    // The address may hold a secret.
    let response = request.send().await.map_err(|error| causes(&error.without_url()))?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
}
