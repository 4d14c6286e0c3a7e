//! The handle, and the thread behind it that owns the server process. The system ties a child to the *thread* that
//! started it, and a caller's thread (a test's, a runtime's) may end any time; this one ends with the handle.

use crate::{Binary, Error, Options, server::Server};
use nix::sys::signal::{SIGCONT, SIGSTOP, Signal};
use std::{
    sync::mpsc,
    thread::{self, JoinHandle},
};

/// A running private server. Dropping it stops the server; if the process dies first, so does the server.
///
/// Every method waits until the thing is done: tens of milliseconds as a rule, at most the timeouts in [`Options`].
#[derive(Debug)]
pub struct PrivateRedis {
    url: String,
    binary: Binary,
    /// `None` only while dropping: closing this channel ends the thread.
    orders: Option<mpsc::Sender<(Order, Reply)>>,
    thread: Option<JoinHandle<()>>,
}

type Reply = mpsc::Sender<Result<Option<u32>, Error>>;

#[derive(Debug)]
enum Order {
    Start,
    Stop,
    Kill,
    Restart,
    Signal(Signal),
    Pid,
}

impl PrivateRedis {
    /// Starts a server and returns once it takes commands.
    ///
    /// # Errors
    /// [`Error::NoBinary`], [`Error::NotAServer`] and [`Error::InUse`] are for the user to act on; after any error no server
    /// runs and the data folder is free.
    pub fn start(options: Options) -> Result<Self, Error> {
        let (orders, inbox) = mpsc::channel();
        let (launched, launch) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("private-redis".into())
            .spawn(move || match Server::launch(options) {
                Ok(server) => {
                    let _ = launched.send(Ok((server.address.url(), server.binary.clone())));
                    obey(server, &inbox);
                }
                Err(error) => {
                    let _ = launched.send(Err(error));
                }
            })
            .map_err(|source| Error::System { action: "start a supervising thread", source })?;
        let (url, binary) = launch.recv().map_err(|_| Error::SupervisorGone)??;
        Ok(Self { url, binary, orders: Some(orders), thread: Some(thread) })
    }

    /// The URL for clients, in the `redis` crate's form. It stays the same over restarts.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The program that runs.
    #[must_use]
    pub fn binary(&self) -> &Binary {
        &self.binary
    }

    /// The server's process number; `None` if it does not run, whether it was stopped or ended by itself.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.order(Order::Pid).ok().flatten()
    }

    /// Ends the server: SIGTERM, then SIGKILL after the stop timeout. Nothing happens if it does not run.
    ///
    /// # Errors
    /// [`Error::System`] when the operating system refuses; the server ends with this process at the latest.
    pub fn stop(&self) -> Result<(), Error> {
        self.order(Order::Stop).map(drop)
    }

    /// Ends the server by SIGKILL, as a crash would. Acknowledged writes are in the append-only file, as surely as
    /// [`Fsync`](crate::Fsync) says.
    ///
    /// # Errors
    /// As [`stop`](Self::stop).
    pub fn kill(&self) -> Result<(), Error> {
        self.order(Order::Kill).map(drop)
    }

    /// Starts the server again, on the same data and at the same URL, if it does not run.
    ///
    /// # Errors
    /// [`Error::Ended`] or [`Error::NotReady`] with the server's own words; no server runs then.
    pub fn start_again(&self) -> Result<(), Error> {
        self.order(Order::Start).map(drop)
    }

    /// Stops the server, politely if it runs, and starts it again on the same data and at the same URL.
    ///
    /// # Errors
    /// As [`stop`](Self::stop) and [`start_again`](Self::start_again).
    pub fn restart(&self) -> Result<(), Error> {
        self.order(Order::Restart).map(drop)
    }

    /// Stops the clock for the server (SIGSTOP): it keeps its connections and answers nothing, as on a machine that hangs.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub fn freeze(&self) -> Result<(), Error> {
        self.order(Order::Signal(SIGSTOP)).map(drop)
    }

    /// Lets a frozen server go on (SIGCONT).
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub fn thaw(&self) -> Result<(), Error> {
        self.order(Order::Signal(SIGCONT)).map(drop)
    }

    fn order(&self, order: Order) -> Result<Option<u32>, Error> {
        let (reply, answer) = mpsc::channel();
        let orders = self.orders.as_ref().ok_or(Error::SupervisorGone)?;
        orders.send((order, reply)).map_err(|_| Error::SupervisorGone)?;
        answer.recv().map_err(|_| Error::SupervisorGone)?
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Carries out orders until the handle is dropped; the server, dropped last, stops then.
fn obey(mut server: Server, inbox: &mpsc::Receiver<(Order, Reply)>) {
    for (order, reply) in inbox {
        server.notice_end();
        let outcome = match order {
            Order::Start => server.start(),
            Order::Stop => server.stop(),
            Order::Kill => server.kill(),
            Order::Restart => server.stop().and_then(|()| server.start()),
            Order::Signal(signal) => server.signal(signal),
            Order::Pid => Ok(()),
        };
        let _ = reply.send(outcome.map(|()| server.pid()));
    }
}
