//! The files and folders whose content is private, and who besides this process may open them: `config check`, `doctor` and the start
//! of each role name those that are open. Through a symbolic link the target counts, for it is what is read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{getegid, geteuid, getgroups};

use crate::config::{Advice, Config, ReadableKeys};

/// The bits of a mode that every user has.
const EVERY_USER: u32 = 0o007;

/// The bits of a mode that the members of the file's group have.
const ITS_GROUP: u32 = 0o070;

/// The group's right to write.
const GROUP_WRITES: u32 = 0o020;

/// Those who may open a file besides its owner and this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Openness {
    /// Every user of the machine.
    EveryUser,
    /// The members of its group.
    Group,
}

/// The user and the groups of a process.
struct Process {
    user: u32,
    groups: Vec<u32>,
}

impl Process {
    fn this() -> Self {
        let further = getgroups().unwrap_or_default();
        let groups = further.into_iter().chain([getegid()]).map(|group| group.as_raw()).collect();
        Self { user: geteuid().as_raw(), groups }
    }
}

/// Owner, group and mode of a file.
#[derive(Clone, Copy)]
struct Access {
    user: u32,
    group: u32,
    mode: u32,
}

/// Those who may open a file that only its owner and this process should.
fn openness(file: Access, process: &Process) -> Option<Openness> {
    if file.mode & EVERY_USER != 0 {
        return Some(Openness::EveryUser);
    }
    // A file of another user that this process reads as a member of its group: so are secrets mounted with Kubernetes' `fsGroup`.
    let is_lent = file.user != process.user && process.groups.contains(&file.group) && file.mode & GROUP_WRITES == 0;
    (file.mode & ITS_GROUP != 0 && !is_lent).then_some(Openness::Group)
}

/// A file or folder that is open.
#[derive(Debug)]
pub(crate) struct OpenFile {
    path: PathBuf,
    pub(crate) openness: Openness,
    mode: u32,
    /// The mode that mends it.
    mended: &'static str,
}

impl OpenFile {
    /// Looks at a path; `None` if it is private, or missing, which is reported where it is read.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        Self::seen_by(path, &Process::this())
    }

    fn seen_by(path: &Path, process: &Process) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        let file = Access { user: found.uid(), group: found.gid(), mode: found.mode() & 0o777 };
        let openness = openness(file, process)?;
        let mended = match (found.is_dir(), file.user == process.user) {
            (true, _) => "700",
            (false, true) => "600",
            (false, false) => "440",
        };
        Some(Self { path: path.to_path_buf(), openness, mode: file.mode, mended })
    }
}

/// To be read after the file: `is open to …`.
impl std::fmt::Display for OpenFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, openness, mode, mended } = self;
        let path = path.display();
        let who = match openness {
            Openness::EveryUser => "every user",
            Openness::Group => "its group",
        };
        write!(out, "{path} is open to {who} (mode {mode:03o}): chmod {mended} {path}")
    }
}

/// A part of the configuration, by the process that reads its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Keys, tokens and journals.
    Worker,
    /// Tokens of the API, sessions, and the secrets of webhooks.
    Server,
}

/// One line for each open file of these parts.
pub(crate) fn advice(config: &Config, parts: &[Part]) -> Vec<Advice> {
    let process = Process::this();
    let open = |(key, path): (String, &Path)| {
        let found = OpenFile::seen_by(path, &process)?;
        Some(Advice { text: format!("names a private file: {found}"), key })
    };
    let files = parts.iter().flat_map(|part| files_of(config, *part)).filter_map(open);
    files.chain(password(config, &process)).collect()
}

/// Logs the same when a role starts.
pub(crate) fn warn(config: &Config, part: Part) {
    for Advice { key, text } in advice(config, &[part]) {
        tracing::warn!("{key} {text}");
    }
}

fn files_of(config: &Config, part: Part) -> Vec<(String, &Path)> {
    let mut files: Vec<(String, &Path)> = Vec::new();
    match part {
        Part::Worker => {
            for (name, account) in &config.accounts {
                let (signing_key, path) = account.gateway.signing_key();
                if account.keys.allow_readable_keys == ReadableKeys::Used || !is_refused(path) {
                    files.push((format!("accounts.{name}.{signing_key}"), path));
                }
                let tokens = account.gateway.tokens().into_iter();
                files.extend(tokens.map(|(key, path)| (format!("accounts.{name}.{key}"), path)));
            }
            files.extend(config.journal.dir.as_deref().map(|path| ("journal.dir".to_owned(), path)));
            let archive = [
                ("archive.dir", config.archive.dir.as_deref()),
                ("archive.signing_key_file", config.archive.signing_key_file.as_deref()),
            ];
            files.extend(archive.into_iter().filter_map(|(key, path)| Some((key.to_owned(), path?))));
        }
        Part::Server => {
            let session_key = config.server.session_key_file.as_deref().map(|path| ("server.session_key_file", path));
            let secrets = config.webhooks.secrets_file.as_deref().map(|path| ("webhooks.secrets_file", path));
            let oidc = config.oidc.as_ref().and_then(|oidc| oidc.client_secret_file.as_deref());
            let oidc = oidc.map(|path| ("server.oidc.client_secret_file", path));
            let tokens = ("server.tokens_file", config.server.tokens_file.as_path());
            let named = [Some(tokens), session_key, oidc, secrets].into_iter().flatten();
            files.extend(named.map(|(key, path)| (key.to_owned(), path)));
        }
    }
    files
}

/// True for a key that signs nothing unless `allow_readable_keys` is set.
pub(crate) fn is_refused(path: &Path) -> bool {
    OpenFile::at(path).is_some_and(|file| file.openness == Openness::EveryUser)
}

/// The configuration file, if it holds Redis's password.
fn password(config: &Config, process: &Process) -> Option<Advice> {
    let url = &config.redis.url;
    let is_in = |text: String| text.contains(url.expose());
    let found = OpenFile::seen_by(&config.file, process).filter(|_| url.has_secret())?;
    fs::read_to_string(&config.file)
        .is_ok_and(is_in)
        .then(|| Advice { key: "redis.url".to_owned(), text: format!("has a password, and {found}") })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const OURS: Process = Process { user: 1000, groups: Vec::new() };

    #[test]
    fn every_mode_and_owner_is_judged() {
        let process = Process { user: 1000, groups: vec![1000, 2000] };
        let all = Some(Openness::EveryUser);
        let group = Some(Openness::Group);
        for (user, owned_by, mode, expected) in [
            (1000, 1000, 0o600, None),
            (1000, 1000, 0o400, None),
            (1000, 1000, 0o700, None),
            (1000, 1000, 0o640, group),
            (1000, 1000, 0o440, group),
            (1000, 2000, 0o420, group),
            (1000, 1000, 0o644, all),
            (1000, 1000, 0o604, all),
            (1000, 1000, 0o602, all),
            (1000, 1000, 0o601, all),
            (1000, 1000, 0o666, all),
            // Kubernetes with fsGroup: root's file, readable to the process's group.
            (0, 2000, 0o440, None),
            (0, 2000, 0o640, None),
            (0, 2000, 0o660, group),
            (0, 3000, 0o640, group),
            (0, 2000, 0o644, all),
            (0, 0, 0o600, None),
        ] {
            let file = Access { user, group: owned_by, mode };
            assert_eq!(openness(file, &process), expected, "{user}:{owned_by} {mode:o}");
        }
    }

    fn with_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_target_of_a_link_is_judged() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("key"), folder.path().join("link"));
        fs::write(&target, "x").unwrap();
        symlink(&target, &link).unwrap();
        with_mode(&target, 0o600);
        assert!(OpenFile::at(&link).is_none(), "a link itself has mode 777");
        with_mode(&target, 0o644);
        let found = OpenFile::at(&link).unwrap().to_string();
        let link = link.display();
        assert_eq!(found, format!("{link} is open to every user (mode 644): chmod 600 {link}"));
        assert!(OpenFile::at(&folder.path().join("missing")).is_none());
    }

    #[test]
    fn a_file_of_another_user_keeps_its_groups_right() {
        let file = tempfile::NamedTempFile::new().unwrap();
        with_mode(file.path(), 0o644);
        let found = OpenFile::seen_by(file.path(), &Process { user: u32::MAX, ..OURS }).unwrap();
        assert!(found.to_string().contains("chmod 440 "), "{found}");
    }

    const OIDC: &str = "[server.oidc]\nissuer = 'https://id'\nclient_id = 'bursar'\nclient_secret_file = 'oidc'\n\
        redirect_url = 'https://b/sign-in/return'\nroles_claim = 'groups'\nreader_values = ['staff']\n";

    /// A configuration whose files are all there, with this mode.
    fn configured(folder: &Path, mode: u32, more: &str) -> Config {
        let text = format!(
            "[redis]\nurl = 'redis://:hunter2@h/0'\n[journal]\ndir = 'journal'\n[server]\nsession_key_file = 'session'\n{OIDC}\
             [webhooks]\nsecrets_file = 'secrets'\n\
             [accounts.main]\ngateway = 'yzt'\nbase_url = 'https://h'\napp_id = '1'\nprivate_key_file = 'app.pem'\n\
             platform_public_key_file = 'platform.pub.pem'\napp_auth_token_file = 'token'\n{more}\n\
             [accounts.shop]\ngateway = 'beingfi'\nbase_url = 'https://h'\nmch_no = 'M'\napp_id = '1'\nsecret_file = 'secret'\n{more}\n"
        );
        let file = folder.join("bursar.toml");
        fs::write(&file, &text).unwrap();
        with_mode(&file, mode);
        for name in ["session", "oidc", "secrets", "app.pem", "platform.pub.pem", "token", "secret", "tokens.toml"] {
            fs::write(folder.join(name), "x").unwrap();
            with_mode(&folder.join(name), mode);
        }
        fs::create_dir(folder.join("journal")).unwrap();
        with_mode(&folder.join("journal"), mode | 0o100);
        Config::parse(&text, &file, std::iter::empty()).unwrap()
    }

    fn keys(config: &Config, part: Part) -> Vec<String> {
        advice(config, &[part]).into_iter().map(|advice| advice.key).collect()
    }

    const OF_SERVER: [&str; 5] = [
        "server.tokens_file",
        "server.session_key_file",
        "server.oidc.client_secret_file",
        "webhooks.secrets_file",
        "redis.url",
    ];

    #[test]
    fn each_open_file_is_named_once_with_its_mode() {
        for (mode, more, of_worker, of_server) in [
            (0o600, "", vec![], &[][..]),
            (
                0o640,
                "",
                vec![
                    "accounts.main.private_key_file",
                    "accounts.main.app_auth_token_file",
                    "accounts.shop.secret_file",
                    "journal.dir",
                    "redis.url",
                ],
                &OF_SERVER,
            ),
            // Keys that every user may read are refused, which says more than advice.
            (0o644, "", vec!["accounts.main.app_auth_token_file", "journal.dir", "redis.url"], &OF_SERVER),
            (
                0o644,
                "allow_readable_keys = true",
                vec![
                    "accounts.main.private_key_file",
                    "accounts.main.app_auth_token_file",
                    "accounts.shop.secret_file",
                    "journal.dir",
                    "redis.url",
                ],
                &OF_SERVER,
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let config = configured(folder.path(), mode, more);
            assert_eq!(keys(&config, Part::Worker), of_worker, "{mode:o} {more}");
            assert_eq!(keys(&config, Part::Server), of_server, "{mode:o} {more}");
            for advice in advice(&config, &[Part::Server]) {
                let has_mode = advice.text.contains(&format!("(mode {mode:03o}): chmod 600 "));
                assert!(has_mode && !advice.text.contains("hunter2"), "{advice:?}");
            }
        }
    }
}
