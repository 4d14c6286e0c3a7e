//! A reader who pastes a page's commands into an interactive shell.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use bursar_test_support::{Process, free_port};
use tempfile::TempDir;

use crate::clients::is_installed;
use crate::docs::PAGE_WITHIN;
use crate::docs_page::Page;
use crate::world::SOON;

/// Ports that the pages name; each reader gets free ones.
const PORTS: [&str; 3] = ["4711", "8080", "9000"];

/// A shell that runs a page's commands.
pub(crate) struct Reader {
    shell: Process,
    folder: TempDir,
    server: String,
}

/// A page's commands with other ports. No port that was put in is replaced again, though it may contain the next one's digits.
fn with_ports(script: &str, ports: &[String; 3]) -> String {
    let first =
        PORTS.iter().zip(ports).filter_map(|(written, free)| script.find(written).map(|at| (at, *written, free)));
    let Some((at, written, free)) = first.min() else { return script.to_owned() };
    let (before, after) = (&script[..at], &script[at + written.len()..]);
    format!("{before}{free}{}", with_ports(after, ports))
}

#[test]
fn a_port_with_another_ports_digits_is_kept() {
    let ports = ["18080".to_owned(), "19000".to_owned(), "14711".to_owned()];
    assert_eq!(with_ports("up 8080; ask 4711, 9000 and 8080", &ports), "up 19000; ask 18080, 14711 and 19000");
}

/// The files that `./x demo` leaves: the program, which ends with the shell that started it, and a Redis to run.
fn built(folder: &Path) {
    let release = folder.join("target/release");
    std::fs::create_dir_all(&release).unwrap();
    let program = format!("#!/bin/sh\nexec setpriv --pdeathsig TERM {} \"$@\"\n", env!("CARGO_BIN_EXE_bursar"));
    std::fs::write(release.join("bursar"), program).unwrap();
    std::fs::set_permissions(release.join("bursar"), std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in [".bursar", "clients", "crates", "deploy", "docs"] {
        symlink(Page::project().join(name), folder.join(name)).unwrap();
    }
}

/// zsh is optional: a shell that is not installed is passed over.
fn has_shell(shell: &str) -> bool {
    shell == "bash" || Command::new(shell).arg("--version").output().is_ok_and(|output| output.status.success())
}

impl Reader {
    /// The line that is printed before the commands of a second page.
    pub(crate) const NEXT_PAGE: &str = "--- the next page";

    /// True if this machine has the programs that the pages use.
    pub(crate) fn is_possible(shell: &str) -> bool {
        has_shell(shell) && ["bash", "curl", "python3", "setpriv"].into_iter().all(is_installed)
    }

    /// Pastes the pages' commands, and stops at the first command that fails.
    pub(crate) async fn paste(shell: &str, pages: &[String]) -> Self {
        let folder = tempfile::Builder::new().prefix("bursar-docs-").tempdir().unwrap();
        built(folder.path());
        let ports = PORTS.map(|_| free_port().expect("a free port").to_string());
        let pages = pages.join(&format!("echo; echo '{}'\n", Self::NEXT_PAGE));
        let script = format!("set -eu\n{pages}\necho; echo everything done\n{}", Self::AFTERWARDS);
        let script = with_ports(&script, &ports);
        let pasted = folder.path().join("pasted");
        std::fs::write(&pasted, script).unwrap();
        let mut command = Command::new(shell);
        command.args(if shell == "zsh" { ["-f", "-i"] } else { ["--norc", "-i"] }).current_dir(folder.path());
        command.stdin(File::open(pasted).unwrap()).env_clear().env("HOME", folder.path()).env("USER", "reader");
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "dumb").env("PS1", "").env("PS2", "");
        let server = format!("127.0.0.1:{}", ports[1]);
        command.env("BURSAR_SERVER__LISTEN", &server);
        command.envs(std::env::var_os("BURSAR_REDIS_BIN").map(|binary| ("BURSAR_REDIS_BIN", binary)));
        Self { shell: Process::start(shell, command), folder, server }
    }

    /// After the pages the shell waits for the commands that stop their processes.
    const AFTERWARDS: &str = "until [ -e \"$HOME/stop\" ]; do sleep 0.1; done\n. \"$HOME/stop\"\nwait\nexit 0\n";

    /// The output, once all commands have succeeded.
    pub(crate) async fn finished_pasting(&self) -> String {
        self.shell.wait_line(PAGE_WITHIN, "the end of the page", |line| line == "everything done").await;
        self.shell.stdout()
    }

    /// Runs the commands that stop the page's processes.
    pub(crate) async fn stop(self, commands: &str) {
        let (draft, stop) = (self.folder.path().join("stop-draft"), self.folder.path().join("stop"));
        std::fs::write(&draft, commands).unwrap();
        std::fs::rename(draft, stop).unwrap();
        let finished = self.shell.finished(SOON * 4).await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }

    /// An address at the page's server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server)
    }

    /// The token that `bursar token` wrote to NAME.token.
    pub(crate) fn token(&self, name: &str) -> String {
        let folders = ["trial", "tutorial"].map(|folder| self.folder.path().join(folder).join(format!("{name}.token")));
        let line = folders.iter().find_map(|file| std::fs::read_to_string(file).ok()).expect("a token was made");
        line.trim().rsplit(' ').next().unwrap().to_owned()
    }
}
