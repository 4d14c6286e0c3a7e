//! The clients in `clients/`: their programs as a reader runs them, in the languages that are installed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bursar_test_support::Process;
use tokio::sync::OnceCell;

/// The time that a program may take: a compiler starts, and lost replies are waited for.
pub(crate) const ENDED_WITHIN: Duration = Duration::from_secs(120);

/// A language that has a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    Node,
    Java,
    Go,
    Php,
}

/// The folder of the clients.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients")
}

/// A folder for what compilers write.
fn compiled(language: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(language);
    std::fs::create_dir_all(&folder).expect("a folder for compiled programs");
    folder
}

/// True if the program runs. If it does not, a line says so past the test runner's capture.
fn runs(program: &str, argument: &str) -> bool {
    let runs = Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success());
    if !runs {
        writeln!(std::io::stderr(), "NOT TESTED: {program} is not installed, so what it runs was not").ok();
    }
    runs
}

/// True if this interpreter is installed, which it must be with `BURSAR_TEST_EXAMPLES=all`, as in `.ci/run`.
pub(crate) fn is_installed(program: &str) -> bool {
    let runs = runs(program, "--version");
    let must = std::env::var("BURSAR_TEST_EXAMPLES").is_ok_and(|which| which == "all");
    assert!(runs || !must, "{program} is not installed, and what it runs must be tested here");
    runs
}

/// Files below a folder that end so.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of the clients");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| if path.is_dir() { files(&path, ending) } else { vec![path] })
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect()
}

/// A command in a client's folder, without anything of this machine's environment that could steer it.
fn command(program: impl AsRef<std::ffi::OsStr>, language: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder().join(language)).stdin(Stdio::null());
    for name in ["BURSAR_URL", "BURSAR_TOKEN", "BURSAR_WEBHOOK", "BURSAR_REPEAT_FOR"] {
        command.env_remove(name);
    }
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    // Go fetches no other toolchain, and keeps its cache where there may be no home.
    command.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=readonly").env("GOCACHE", compiled("go-cache"));
    command
}

/// Compiles, and must succeed.
async fn compile(name: &str, command: Command) {
    let finished = Process::run(name, command, ENDED_WITHIN).await;
    assert_eq!(finished.code, Some(0), "{name}: {}\n{}", finished.stdout, finished.stderr);
}

/// The Java client and its test, compiled once. Warnings of the compiler fail it.
async fn java_classes() -> &'static Path {
    static CLASSES: OnceCell<PathBuf> = OnceCell::const_new();
    CLASSES
        .get_or_init(|| async {
            let classes = compiled("java");
            let mut javac = command("javac", "java");
            javac.args(["-Xlint:all", "-Werror", "--release", "11", "-encoding", "UTF-8", "-d"]).arg(&classes);
            javac.args(files(&folder().join("java/src"), ".java"));
            compile("javac", javac).await;
            classes
        })
        .await
}

/// The Go client's example, compiled once: `go run` would replace its exit code.
async fn go_example() -> &'static Path {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    PROGRAM
        .get_or_init(|| async {
            let program = compiled("go").join("submit");
            let mut build = command("go", "go");
            build.args(["build", "-o"]).arg(&program).arg("./examples/submit");
            compile("go build", build).await;
            program
        })
        .await
}

impl Language {
    /// True if it is installed. Go and PHP need not be: `.ci/run` installs them where it can.
    pub(crate) fn is_installed(self) -> bool {
        match self {
            Self::Python => is_installed("python3"),
            Self::Node => is_installed("node"),
            Self::Java => is_installed("javac"),
            Self::Go => runs("go", "version"),
            Self::Php => runs("php", "--version"),
        }
    }

    /// The client's tests, by the language's own runner.
    pub(crate) async fn tests(self) -> Command {
        match self {
            Self::Python => {
                let mut tests = command("python3", "python");
                tests.args(["-W", "error", "-m", "unittest", "discover", "-s", "tests"]);
                tests
            }
            Self::Node => {
                let mut tests = command("node", "node");
                tests.args(["--test", "tests/"]);
                tests
            }
            Self::Java => {
                let mut tests = command("java", "java");
                tests
                    .arg("-cp")
                    .arg(java_classes().await)
                    .args(["io.bursar.client.ClientTest", "../webhook-vectors.json"]);
                tests
            }
            Self::Go => {
                let mut tests = command("go", "go");
                tests.args(["test", "-count=1", "./..."]);
                tests
            }
            Self::Php => {
                let mut tests = command("php", "php");
                tests.arg("tests/client_test.php");
                tests
            }
        }
    }

    /// The client's example, without arguments.
    pub(crate) async fn example(self) -> Command {
        let (program, language, file) = match self {
            Self::Python => ("python3", "python", "examples/submit.py"),
            Self::Node => ("node", "node", "examples/submit.mjs"),
            Self::Php => ("php", "php", "examples/submit.php"),
            Self::Go => return command(go_example().await, "go"),
            Self::Java => {
                let mut example = command("java", "java");
                example.arg("-cp").arg(java_classes().await).arg("examples/Submit.java");
                return example;
            }
        };
        let mut example = command(program, language);
        example.arg(file);
        example
    }
}
