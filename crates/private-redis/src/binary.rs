//! The choice of the server program: named, installed or fetched, in this order.

use crate::Error;
use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// The folder of servers that `scripts/ensure-redis.sh` fetches, below the current one.
const FETCHED_DIR: &str = ".bursar/redis";

/// A server program that answered to `--version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// The file to run.
    pub path: PathBuf,
    /// Product and version, for people: `Redis 7.0.15`, `Valkey 9.1.2`.
    pub version: String,
}

/// The server program of this machine: `BURSAR_REDIS_BIN`, then `redis-server` or `valkey-server` in `PATH`, then the folder
/// that `scripts/ensure-redis.sh` fills (`BURSAR_REDIS_DIR`, else `.bursar/redis` below the current folder).
///
/// # Errors
/// [`Error::NotAServer`] when `BURSAR_REDIS_BIN` names something else, [`Error::NoBinary`] when nothing was found.
pub fn find_binary() -> Result<Binary, Error> {
    if let Some(named) = env::var_os("BURSAR_REDIS_BIN").filter(|value| !value.is_empty()) {
        return check_named(Path::new(&named));
    }
    let fetched = env::var_os("BURSAR_REDIS_DIR").unwrap_or_else(|| FETCHED_DIR.into());
    search(&env::var_os("PATH").unwrap_or_default(), Path::new(&fetched))
}

/// A file that someone named on purpose: it serves or it is an error.
pub(crate) fn check_named(path: &Path) -> Result<Binary, Error> {
    identify(path).ok_or_else(|| Error::NotAServer { path: path.into() })
}

fn search(path_variable: &OsStr, fetched: &Path) -> Result<Binary, Error> {
    let in_path = NAMES.iter().flat_map(|name| env::split_paths(path_variable).map(move |folder| folder.join(name)));
    let in_fetched = NAMES.iter().map(|name| fetched.join(name));
    in_path
        .chain(in_fetched)
        .find_map(|candidate| identify(&candidate))
        .ok_or_else(|| Error::NoBinary { looked: format!("PATH and {}", fetched.display()) })
}

/// Runs `--version`, so that a broken or foreign program is skipped here instead of failing later.
fn identify(path: &Path) -> Option<Binary> {
    if !path.is_file() {
        return None;
    }
    let output = Command::new(path).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let version = read_version(&String::from_utf8_lossy(&output.stdout))?;
    // Absolute, because the server is started in another folder.
    let path = std::path::absolute(path).ok()?;
    Some(Binary { path, version })
}

/// `Redis server v=7.0.15 sha=…` becomes `Redis 7.0.15`.
fn read_version(line: &str) -> Option<String> {
    let (product, rest) = line.trim().split_once(" server v=")?;
    let number = rest.split_whitespace().next()?;
    Some(format!("{product} {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    fn program(folder: &Path, name: &str, says: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn versions_of_both_products_are_read() {
        assert_eq!(read_version("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc").unwrap(), "Redis 7.0.15");
        assert_eq!(read_version("Valkey server v=9.1.2 sha=0 bits=64\n").unwrap(), "Valkey 9.1.2");
        assert_eq!(read_version("GNU bash, version 5.2"), None);
        assert_eq!(read_version(""), None);
    }

    #[test]
    fn a_foreign_program_in_the_path_is_not_taken() {
        let (path, fetched) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(path.path(), "redis-server", "something else entirely");
        program(fetched.path(), "redis-server", "Valkey server v=9.1.2 sha=0");
        let found = search(path.path().as_os_str(), fetched.path()).unwrap();
        assert_eq!(found, Binary { path: fetched.path().join("redis-server"), version: "Valkey 9.1.2".into() });
    }

    #[test]
    fn the_installed_server_goes_before_the_fetched_one() {
        let (path, fetched) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(path.path(), "valkey-server", "Valkey server v=8.0.0 sha=0");
        program(fetched.path(), "redis-server", "Redis server v=7.0.15 sha=0");
        assert_eq!(search(path.path().as_os_str(), fetched.path()).unwrap().version, "Valkey 8.0.0");
    }

    #[test]
    fn without_a_server_the_error_says_what_to_install() {
        let nothing = tempfile::tempdir().unwrap();
        let error = search(nothing.path().as_os_str(), &nothing.path().join("redis")).unwrap_err().to_string();
        for part in ["apt-get install redis-server", "BURSAR_REDIS_BIN", "REDIS_URL", "PATH and "] {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }

    #[test]
    fn a_named_file_that_is_no_server_is_an_error_of_its_own() {
        let error = check_named(Path::new("/bin/true")).unwrap_err();
        assert!(matches!(error, Error::NotAServer { .. }), "{error}");
    }
}
