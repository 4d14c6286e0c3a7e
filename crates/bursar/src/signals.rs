//! Requests to end a process, and their echoes.

use std::io::IsTerminal;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A request to end that is repeated within this time is still the first one: an init that passes signals on, a process group and a
/// supervisor deliver one request in two ways.
const ECHO: Duration = Duration::from_secs(5);

/// A person presses Ctrl-C twice no faster than this. A faster repetition is one press that a wrapper passed on as well.
const ONE_PRESS: Duration = Duration::from_millis(100);

/// The meaning of SIGHUP to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hangup {
    /// Files are read again by the parts that use them. A closed terminal or a log rotation interrupts no payment.
    ReadAgain,
    /// The end, which is the system's default.
    Ends,
}

/// A request to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// SIGTERM.
    Terminate,
    /// SIGINT, without a terminal.
    Interrupt,
    /// SIGINT, typed at a terminal.
    CtrlC,
}

/// The consequence of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Drain,
    Echo,
    EndAtOnce,
}

/// A token that is cancelled by SIGTERM or Ctrl-C. A second request ends the process at once and leaves its calls in
/// flight in doubt; an echo of the first request does not.
pub(crate) fn drain_on_signal(hangup: Hangup) -> std::io::Result<CancellationToken> {
    let drain = CancellationToken::new();
    let requests = Requests {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        // A process that listens for SIGHUP is not ended by the system.
        hangup: match hangup {
            Hangup::Ends => None,
            Hangup::ReadAgain => Some(signal(SignalKind::hangup())?),
        },
    };
    tokio::spawn(follow(requests, drain.clone()));
    Ok(drain)
}

struct Requests {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Requests {
    async fn next(&mut self) -> Request {
        let watched = std::io::stdin().is_terminal() || std::io::stderr().is_terminal();
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Request::Terminate,
                _ = self.interrupt.recv() => return if watched { Request::CtrlC } else { Request::Interrupt },
                () = hung_up(&mut self.hangup) => {} // the parts that read files again have their own signals
            }
        }
    }
}

async fn hung_up(hangup: &mut Option<Signal>) {
    match hangup {
        Some(hangup) => drop(hangup.recv().await),
        None => std::future::pending().await,
    }
}

async fn follow(mut requests: Requests, drain: CancellationToken) {
    let mut first = None;
    loop {
        let request = requests.next().await;
        let since = first.map(|first: Instant| first.elapsed());
        match verdict(request, since) {
            Verdict::Drain => {
                first = Some(Instant::now());
                drain.cancel();
            }
            Verdict::Echo => tracing::info!("a repeated request to end changes nothing: the process is draining"),
            Verdict::EndAtOnce => {
                tracing::warn!("second request to end: ending at once");
                std::process::exit(1);
            }
        }
    }
}

/// The consequence of a request this long after the first one; `None` for the first one itself.
fn verdict(request: Request, since: Option<Duration>) -> Verdict {
    let Some(since) = since else { return Verdict::Drain };
    let echo = match request {
        Request::Terminate | Request::Interrupt => ECHO,
        Request::CtrlC => ONE_PRESS,
    };
    if since < echo { Verdict::Echo } else { Verdict::EndAtOnce }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_request_ends_at_once_unless_it_is_an_echo() {
        let ms = |ms| Some(Duration::from_millis(ms));
        for (request, since, expected) in [
            (Request::Terminate, None, Verdict::Drain),
            (Request::Terminate, ms(0), Verdict::Echo),
            (Request::Terminate, ms(4_999), Verdict::Echo),
            (Request::Terminate, ms(5_000), Verdict::EndAtOnce),
            (Request::Interrupt, None, Verdict::Drain),
            (Request::Interrupt, ms(4_999), Verdict::Echo),
            (Request::Interrupt, ms(5_000), Verdict::EndAtOnce),
            (Request::CtrlC, None, Verdict::Drain),
            (Request::CtrlC, ms(99), Verdict::Echo),
            (Request::CtrlC, ms(100), Verdict::EndAtOnce),
        ] {
            assert_eq!(verdict(request, since), expected, "{request:?} {since:?} after the first");
        }
    }
}
