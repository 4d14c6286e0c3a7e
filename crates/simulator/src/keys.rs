//! The key files of one simulated merchant: made on the first start, used again on the next.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::NamedTempFile;

use crate::StartError;

const SECRET_BYTES: usize = 32;
const PEM_LINE_CHARS: usize = 64;
const PUBLIC_MODE: u32 = 0o644;

/// The gateway's keys: both RSA key pairs and the MD5 secret.
pub(crate) struct Keys {
    merchant: ParsedPublicKey,
    platform: RsaKeyPair,
    pub(crate) secret: String,
    random: SystemRandom,
    pub(crate) files: KeyFiles,
}

/// The files that a merchant gets.
pub(crate) struct KeyFiles {
    pub(crate) app_private: PathBuf,
    pub(crate) platform_public: PathBuf,
    pub(crate) beingfi_secret: PathBuf,
}

impl Keys {
    /// Reads the key files in `dir`, making those that are not there.
    pub(crate) fn at(dir: &Path) -> Result<Self, StartError> {
        fs::create_dir_all(dir).map_err(|source| StartError::KeyFile { path: dir.to_owned(), source })?;
        let files = KeyFiles {
            app_private: dir.join("app.pem"),
            platform_public: dir.join("platform.pub.pem"),
            beingfi_secret: dir.join("beingfi.secret"),
        };
        let app = key_pair(&files.app_private)?;
        let platform = key_pair(&dir.join("platform.pem"))?;
        let platform_spki: PublicKeyX509Der<'_> = platform.public_key().as_der().map_err(|_| StartError::MakeKey)?;
        replace(&files.platform_public, &pem("PUBLIC KEY", platform_spki.as_ref()))?;
        let merchant = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, app.public_key().as_ref())
            .map_err(|_| StartError::MakeKey)?;
        let secret = secret(&files.beingfi_secret)?;
        Ok(Self { merchant, platform, secret, random: SystemRandom::new(), files })
    }

    /// True if the merchant's key made `sign` (base64) over `content`.
    pub(crate) fn verifies(&self, content: &str, sign: &str) -> bool {
        STANDARD.decode(sign).is_ok_and(|signature| self.merchant.verify_sig(content.as_bytes(), &signature).is_ok())
    }

    /// The platform's signature over `content` in base64; none when signing failed, which the real gateway
    /// shows in the same way: an answer without `sign`.
    pub(crate) fn sign(&self, content: &str) -> Option<String> {
        let mut signature = vec![0; self.platform.public_modulus_len()];
        self.platform.sign(&RSA_PKCS1_SHA256, &self.random, content.as_bytes(), &mut signature).ok()?;
        Some(STANDARD.encode(signature))
    }
}

fn key_pair(path: &Path) -> Result<RsaKeyPair, StartError> {
    let text = kept(path, || {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
        let der: Pkcs8V1Der<'_> = key.as_der().ok()?;
        Some(pem("PRIVATE KEY", der.as_ref()))
    })?;
    let unreadable = || StartError::KeyUnreadable { path: path.to_owned() };
    let base64: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let der = STANDARD.decode(base64).map_err(|_| unreadable())?;
    RsaKeyPair::from_pkcs8(&der).map_err(|_| unreadable())
}

fn secret(path: &Path) -> Result<String, StartError> {
    let text = kept(path, || {
        let mut random = [0; SECRET_BYTES];
        aws_lc_rs::rand::fill(&mut random).ok()?;
        Some(hex::encode(random))
    })?;
    Ok(text.trim().to_owned())
}

/// The text of a private file; when there is none, it is made first. Of two simulators that start in one folder at the
/// same time, one makes it and both read it.
fn kept(path: &Path, make: impl Fn() -> Option<String>) -> Result<String, StartError> {
    let failed = |source| StartError::KeyFile { path: path.to_owned(), source };
    if !path.try_exists().map_err(failed)? {
        let file = written(path, &make().ok_or(StartError::MakeKey)?).map_err(failed)?;
        match file.persist_noclobber(path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error.error)),
        }
    }
    fs::read_to_string(path).map_err(failed)
}

fn replace(path: &Path, text: &str) -> Result<(), StartError> {
    let replaced = written(path, text).and_then(|file| {
        file.as_file().set_permissions(fs::Permissions::from_mode(PUBLIC_MODE))?;
        file.persist(path).map_err(|error| error.error)
    });
    replaced.map(drop).map_err(|source| StartError::KeyFile { path: path.to_owned(), source })
}

/// A file next to `path` that only its owner can read, to be renamed: a start that is killed never leaves half a key.
fn written(path: &Path, text: &str) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(PEM_LINE_CHARS));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
