//! A program under test, run as the operating system runs it: its lines, its signals, its exit code, its sudden death.

use crate::eventually;
use bursar_private_redis::{Ending, end_with_this_thread};
use nix::{
    sys::signal::{self, SIGCONT, SIGHUP, SIGKILL, SIGSTOP, SIGTERM, Signal},
    unistd::Pid,
};
use std::{
    io::{self, BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// The lines of the program's output that a failed wait repeats.
const QUOTED_LINES: usize = 40;

/// The time that an ended program's last lines may take through the pipes.
const PIPE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

#[derive(Debug, Default)]
struct Output {
    lines: Vec<(Stream, String)>,
    open_pipes: usize,
}

/// A program's exit code and its output.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Everything on stdout, lines joined.
    pub stdout: String,
    /// Everything on stderr, lines joined.
    pub stderr: String,
}

/// A running program. Killed when dropped, and ended when the test process dies.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Mutex<Child>,
    output: Arc<Mutex<Output>>,
}

impl Process {
    /// Starts `command`; `name` is how messages call it. Its stdin is empty unless the command says otherwise.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn start(name: &str, mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(command).unwrap_or_else(|error| panic!("could not start {name}: {error}"));
        let output = Arc::new(Mutex::new(Output { lines: Vec::new(), open_pipes: 2 }));
        collect(child.stdout.take().expect("stdout is piped"), Stream::Out, &output);
        collect(child.stderr.take().expect("stderr is piped"), Stream::Err, &output);
        Self { name: name.into(), child: Mutex::new(child), output }
    }

    /// Runs `command` to its end.
    ///
    /// # Panics
    /// When it cannot be started, or has not ended after `within`.
    pub async fn run(name: &str, command: Command, within: Duration) -> Finished {
        Self::start(name, command).finished(within).await
    }

    /// The process number.
    pub fn pid(&self) -> u32 {
        locked(&self.child).id()
    }

    /// The first line, of stdout or stderr and since the start, that is `wanted`.
    ///
    /// # Panics
    /// When none came `within` that time or the program ended without it, quoting what it wrote.
    pub async fn wait_line(&self, within: Duration, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let whose = format!("{what} from {}", self.name);
        let found = eventually(within, &whose, async || {
            // Asked before the lines are read, or a last line could slip between.
            let over = locked(&self.output).open_pipes == 0;
            let found = locked(&self.output).lines.iter().map(|(_, line)| line).find(|line| wanted(line)).cloned();
            match found {
                Some(line) => Ok(Some(line)),
                None if over => Ok(None),
                None => Err(Quoted(self.tail())),
            }
        });
        found.await.unwrap_or_else(|| panic!("{} ended without {what}; it wrote\n{}", self.name, self.tail()))
    }

    /// Everything written to stdout so far.
    pub fn stdout(&self) -> String {
        self.text(Stream::Out)
    }

    /// Everything written to stderr so far.
    pub fn stderr(&self) -> String {
        self.text(Stream::Err)
    }

    /// SIGTERM: please finish.
    pub fn terminate(&self) {
        self.signal(SIGTERM);
    }

    /// SIGHUP: its terminal is gone, or its logs were rotated.
    pub fn hang_up(&self) {
        self.signal(SIGHUP);
    }

    /// SIGKILL: a crash.
    pub fn kill(&self) {
        self.signal(SIGKILL);
    }

    /// SIGSTOP: a machine that hangs.
    pub fn freeze(&self) {
        self.signal(SIGSTOP);
    }

    /// SIGCONT: it goes on as if no time had passed.
    pub fn thaw(&self) {
        self.signal(SIGCONT);
    }

    /// True if it has not ended yet.
    pub fn is_running(&self) -> bool {
        self.exit_status().is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it has not ended after `within`, quoting what it wrote.
    pub async fn finished(&self, within: Duration) -> Finished {
        let what = format!("the end of {}", self.name);
        let status = eventually(within, &what, async || self.exit_status().ok_or_else(|| Quoted(self.tail()))).await;
        let what = format!("the last lines of {}", self.name);
        eventually(PIPE_TIMEOUT, &what, async || (locked(&self.output).open_pipes == 0).then_some(())).await;
        Finished { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }

    fn exit_status(&self) -> Option<ExitStatus> {
        locked(&self.child).try_wait().unwrap_or_else(|error| panic!("could not look at {}: {error}", self.name))
    }

    fn signal(&self, signal: Signal) {
        // The lock keeps others from reaping it meanwhile, so the number is still this program's.
        let mut child = locked(&self.child);
        if let Ok(Some(status)) = child.try_wait() {
            panic!("{} had ended ({status}) before {signal}; it wrote\n{}", self.name, self.tail());
        }
        signal::kill(Pid::from_raw(child.id().cast_signed()), signal)
            .unwrap_or_else(|errno| panic!("could not send {signal} to {}: {errno}", self.name));
    }

    fn text(&self, stream: Stream) -> String {
        let output = locked(&self.output);
        let lines = output.lines.iter().filter(|(from, _)| *from == stream);
        lines.map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n")
    }

    fn tail(&self) -> String {
        let output = locked(&self.output);
        let last = &output.lines[output.lines.len().saturating_sub(QUOTED_LINES)..];
        last.iter().map(|(_, line)| format!("  {line}")).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = locked(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Output shown as it is, not as a quoted string on one line.
struct Quoted(String);

impl std::fmt::Debug for Quoted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "it wrote\n{}", self.0)
    }
}

/// Starts every program from one thread that lives as long as the test process: a program ends with the thread that
/// started it, and a test's own thread ends before a program that several tests share.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                end_with_this_thread(&mut command, Ending::Kill);
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, child) = mpsc::channel();
    SPAWNER.send((command, reply)).expect("the spawning thread lives as long as the process");
    child.recv().expect("the spawning thread answers every order")
}

fn collect(pipe: impl Read + Send + 'static, stream: Stream, output: &Arc<Mutex<Output>>) {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            locked(&output).lines.push((stream, text));
            line.clear();
        }
        locked(&output).open_pipes -= 1;
    });
}

/// A test that panicked elsewhere must not hide its message behind a poisoned lock.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// Ends on SIGTERM only, with a last word.
    const POLITE: &str = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done";

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        command
    }

    #[tokio::test]
    async fn both_outputs_and_the_exit_code_are_kept_apart() {
        let finished = Process::run("sh", shell("echo out; echo err >&2; exit 3"), SOON).await;
        assert_eq!(finished.code, Some(3));
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out", "err"));
    }

    #[tokio::test]
    async fn a_line_is_found_while_the_program_runs() {
        let process = Process::start("sh", shell("echo ready at 7; exec sleep 60"));
        let line = process.wait_line(SOON, "readiness", |line| line.starts_with("ready")).await;
        assert_eq!(line, "ready at 7");
        assert!(process.is_running());
    }

    #[tokio::test]
    #[should_panic(expected = "sh ended without readiness; it wrote\n  no such luck")]
    async fn a_program_that_ends_without_the_line_is_quoted_at_once() {
        let process = Process::start("sh", shell("echo no such luck"));
        process.wait_line(Duration::from_secs(60), "readiness", |line| line == "ready").await;
    }

    #[tokio::test]
    async fn terminate_can_be_handled_and_kill_cannot() {
        let polite = Process::start("sh", shell(POLITE));
        polite.wait_line(SOON, "readiness", |line| line == "ready").await;
        polite.terminate();
        let finished = polite.finished(SOON).await;
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), "ready\nbye"));

        let killed = Process::start("sh", shell("exec sleep 60"));
        killed.kill();
        assert_eq!(killed.finished(SOON).await.code, None);
    }

    #[tokio::test]
    async fn a_frozen_program_waits_until_it_is_thawed() {
        let process = Process::start("sh", shell(POLITE));
        process.wait_line(SOON, "readiness", |line| line == "ready").await;
        process.freeze();
        process.terminate();
        // Only the freeze keeps it from ending now.
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap_or_default();
        eventually(SOON, "the process to be frozen", async || {
            let state = state();
            if state.contains(") T ") { Ok(()) } else { Err(state) }
        })
        .await;
        process.thaw();
        assert_eq!(process.finished(SOON).await.stdout, "ready\nbye");
    }

    #[tokio::test]
    async fn a_dropped_process_is_gone() {
        let process = Process::start("sh", shell("exec sleep 60"));
        let pid = Pid::from_raw(process.pid().cast_signed());
        drop(process);
        assert_eq!(signal::kill(pid, None), Err(nix::errno::Errno::ESRCH));
    }

    #[test]
    fn a_program_outlives_the_thread_of_the_test_that_started_it() {
        let process = thread::spawn(|| Process::start("sh", shell("exec sleep 60"))).join().unwrap();
        assert!(process.is_running());
    }
}
