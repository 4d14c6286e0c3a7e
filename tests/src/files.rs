//! Files of tests that hold secrets, as an installation has them.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Writes a file that only this user can read, whatever the umask and the file's mode before.
pub fn private_file(path: &Path, content: impl AsRef<[u8]>) {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        file.write_all(content.as_ref())
    });
    written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}
