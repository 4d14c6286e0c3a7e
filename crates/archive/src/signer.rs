//! The signer of seals: a key of this process, or a command that holds the key elsewhere (a token, a vault).

use std::fmt;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use crate::key::{KeyError, PublicKey, pem_body};

/// The longest time that a command may take for one signature.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// The bytes of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;

/// More than a command may print.
const MOST_PRINTED: u64 = 4_096;

/// A seal that was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The command cannot be run.
    #[error("the command {0} cannot be run")]
    Run(String, #[source] std::io::Error),
    /// It took too long, and was ended.
    #[error("the command {0} took longer than {seconds} s", seconds = COMMAND_TIMEOUT.as_secs())]
    Slow(String),
    /// It ended otherwise than with 0.
    #[error("the command {0} failed: {1}")]
    Failed(String, std::process::ExitStatus),
    /// Its output is no signature of these bytes by the configured key.
    #[error(
        "the signature is not one by the key {0}: a command must print the 64 bytes of an Ed25519 signature and nothing else"
    )]
    Wrong(PublicKey),
}

/// Signs seals.
pub enum Signer {
    /// By a key of this process.
    Key(Box<Ed25519KeyPair>),
    /// By a command: it reads the bytes from its standard input and prints the signature's 64 bytes.
    Command {
        /// The program and its arguments.
        words: Vec<String>,
        /// The key by which it signs.
        key: PublicKey,
    },
}

impl fmt::Debug for Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Signer({})", self.public_key())
    }
}

impl Signer {
    /// Reads a private key in PEM.
    ///
    /// # Errors
    /// [`KeyError::Private`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = pem_body(text, "PRIVATE KEY").ok_or(KeyError::Private)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| KeyError::Private)?;
        Ok(Self::Key(Box::new(pair)))
    }

    /// The key by which its signatures are checked.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        match self {
            Self::Key(pair) => {
                let mut bytes = [0; 32];
                for (to, from) in bytes.iter_mut().zip(pair.public_key().as_ref()) {
                    *to = *from;
                }
                PublicKey(bytes)
            }
            Self::Command { key, .. } => *key,
        }
    }

    /// Signs, and checks the signature: a command may have another key.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = match self {
            Self::Key(pair) => pair.sign(bytes).as_ref().to_vec(),
            Self::Command { words, .. } => by_command(words, bytes)?,
        };
        let key = self.public_key();
        let is_signed = signature.len() == SIGNATURE_BYTES && key.has_signed(bytes, &signature);
        is_signed.then_some(signature).ok_or(SignError::Wrong(key))
    }
}

fn by_command(words: &[String], bytes: &[u8]) -> Result<Vec<u8>, SignError> {
    let name = words.first().cloned().unwrap_or_default();
    let cannot = |source| SignError::Run(name.clone(), source);
    let mut command = Command::new(&name);
    command.args(words.iter().skip(1)).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(cannot)?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    // A command that ends without reading has no signature either: its output decides.
    let bytes = bytes.to_vec();
    let writer = thread::spawn(move || input.map(|mut input| input.write_all(&bytes)));
    let (send, printed) = channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let read = output.map(|output| output.take(MOST_PRINTED).read_to_end(&mut text));
        send.send(read.transpose().map(|_| text)).ok();
    });
    let printed = match printed.recv_timeout(COMMAND_TIMEOUT) {
        Ok(printed) => printed.map_err(cannot)?,
        Err(_) => {
            end(&mut child);
            return Err(SignError::Slow(name));
        }
    };
    writer.join().ok();
    let status = child.wait().map_err(cannot)?;
    if status.success() { Ok(printed) } else { Err(SignError::Failed(name, status)) }
}

fn end(child: &mut Child) {
    child.kill().ok();
    child.wait().ok();
}
