//! Databases for the outbox: a file of SQLite, or a PostgreSQL or MariaDB server that one test starts for itself, in a folder
//! temporary folder and behind a Unix socket, and that ends with the test.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bursar_test_support::Process;
use tempfile::TempDir;

use crate::world::SOON;

/// One database, as the examples address it.
pub(crate) struct Database {
    /// The Python that has this database's driver.
    pub(crate) python: &'static str,
    /// The examples' word for where it is.
    pub(crate) address: String,
    /// Ends every connection but the one that says so: a statement that yields further ones, one a row.
    pub(crate) cut: &'static str,
    /// True if rows can be locked one by one.
    pub(crate) locks_rows: bool,
    server: Option<Process>,
    _folder: TempDir,
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("bursar-db-").tempdir().expect("a folder for a database")
}

/// The first Python that has this module. Debian's packages belong to Debian's Python, which need not be the first one.
fn python_with(module: &str) -> &'static str {
    let has = |python: &&str| {
        let tried = Command::new(python).args(["-c", &format!("import {module}")]).output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has);
    found.unwrap_or_else(|| panic!("no Python here has {module}: install python3-{module}"))
}

/// Where Debian keeps the programs of its newest PostgreSQL; elsewhere they are on the path.
fn postgres(program: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|version| version.path().join("bin").join(program)).filter(|path| path.exists()).max();
    newest.unwrap_or_else(|| program.into())
}

/// Root's number, or the one of the user by that name.
fn user_id(arguments: &[&str]) -> u32 {
    let output = Command::new("id").args(arguments).output().expect("id is on every system");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_else(|_| panic!("no such user: {output:?}"))
}

/// Does not run as root: PostgreSQL refuses to.
fn as_another_user(mut command: Command, folder: &Path) -> Command {
    if user_id(&["-u"]) == 0 {
        let postgres = user_id(&["-u", "postgres"]);
        std::os::unix::fs::chown(folder, Some(postgres), None).expect("handing the folder over");
        command.uid(postgres).gid(user_id(&["-g", "postgres"])).current_dir(folder);
    }
    command
}

async fn made(name: &str, command: Command) {
    let finished = Process::run(name, command, SOON).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let folder = folder();
        let address = folder.path().join("shop.db").display().to_string();
        Self { python: "python3", address, cut: "", locks_rows: false, server: None, _folder: folder }
    }

    pub(crate) async fn postgresql() -> Self {
        let python = python_with("psycopg2");
        let folder = folder();
        let (path, data) = (folder.path(), folder.path().join("data"));
        let mut make = Command::new(postgres("initdb"));
        make.args(["--auth=trust", "--username=shop", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"]).arg(&data);
        made("initdb", as_another_user(make, path)).await;
        let mut serve = Command::new(postgres("postgres"));
        serve.arg("-D").arg(&data).arg("-k").arg(path).args(["-c", "listen_addresses=", "-c", "fsync=off"]);
        let server = Process::start("postgres", as_another_user(serve, path));
        server.wait_line(SOON, "readiness", |line| line.contains("ready to accept connections")).await;
        Self {
            python,
            address: format!("postgresql:///postgres?host={}&user=shop", path.display()),
            cut: "SELECT 'SELECT pg_terminate_backend(' || pid || ')' FROM pg_stat_activity \
                  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
            locks_rows: true,
            server: Some(server),
            _folder: folder,
        }
    }

    pub(crate) async fn mariadb() -> Self {
        let python = python_with("pymysql");
        let folder = folder();
        let (path, data) = (folder.path(), folder.path().join("data"));
        let common = ["--no-defaults".to_owned(), format!("--datadir={}", data.display())];
        let user = (user_id(&["-u"]) == 0).then_some("--user=root");
        let mut make = Command::new("mariadb-install-db");
        make.args(&common).args(["--auth-root-authentication-method=normal", "--skip-test-db"]).args(user);
        made("mariadb-install-db", make).await;
        let socket = path.join("socket");
        let mut serve = Command::new("/usr/sbin/mariadbd");
        serve.args(&common).arg(format!("--socket={}", socket.display())).arg("--skip-networking").args(user);
        serve.arg("--init-file").arg(path.join("init.sql"));
        std::fs::write(path.join("init.sql"), "CREATE DATABASE shop;\n").expect("writing what the server begins with");
        let server = Process::start("mariadbd", serve);
        server.wait_line(SOON, "readiness", |line| line.contains("ready for connections")).await;
        Self {
            python,
            address: format!("mysql://root@/shop?unix_socket={}", socket.display()),
            cut: "SELECT concat('KILL ', id) FROM information_schema.processlist \
                  WHERE db = 'shop' AND id <> connection_id()",
            locks_rows: true,
            server: Some(server),
            _folder: folder,
        }
    }

    /// Ends the server, so that it takes leave of what it shares with the system.
    pub(crate) async fn close(self) {
        if let Some(server) = &self.server {
            server.terminate();
            server.finished(SOON).await;
        }
    }
}
