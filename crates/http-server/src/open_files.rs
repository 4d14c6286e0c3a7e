//! The limit of open files of this process.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The limit where the system names none.
const UNKNOWN: u64 = 1_024;

/// Raises the process's limit of open files to the most that its user may have, and returns it. A limit that cannot be raised stays.
#[must_use]
pub fn raise_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return UNKNOWN };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            tracing::debug!(%error, soft, hard, "the limit of open files stays");
            soft
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let raised = raise_limit();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!((raised, soft), (hard, hard));
    }
}
