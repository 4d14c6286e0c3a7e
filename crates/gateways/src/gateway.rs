//! A gateway as the rest of Bursar sees it: sending, which every gateway does, and the capabilities that it may lack.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bursar_domain::{Kind, ParsedResponse};

use crate::{Balance, BalanceQuery, Bound, Receiver};

/// A call under way.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A stored job, as far as a gateway must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayRequest {
    /// The job's kind.
    pub kind: Kind,
    /// The producer's name for it: `platform_no`.
    pub key: String,
    /// The stored content, one compact JSON object: the exact bytes of every send.
    pub content: Arc<str>,
    /// The gateway's own numbers for it as far as it named any, newest last.
    pub trade_nos: Vec<String>,
    /// True if an earlier send of it may have reached the gateway. False as long as every earlier send certainly
    /// executed nothing. BeingFi's refusal of a repeat means the opposite of its refusal of a first attempt.
    pub sent_before: bool,
    /// A send that has not begun by then is not made: its worker stalled, and others may have claimed the job.
    pub send_by: Option<Instant>,
}

/// The account's rate, for requests that no claim has paid for: a call pays for its first one, and now and then makes more.
pub trait Rate: Send + Sync {
    /// Waits for a place of one more request about a job of this kind, until `by` at the latest.
    fn acquire(&self, kind: Kind, by: Instant) -> BoxFuture<'_, RatePermit>;
}

/// The answer to a request for one more place in the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RatePermit {
    /// Now.
    Taken,
    /// Not in time: it is not made.
    NotInTime,
}

/// A configured account's way to its gateway. Every call makes its requests once, whatever happens to them.
pub trait Gateway: Send + Sync {
    /// Sends the stored bytes: may move money. Never answers [`NotFound`](bursar_domain::Outcome::NotFound).
    fn send<'a>(&'a self, request: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse>;

    /// True if a repeated identical send is answered with the status of the first one.
    fn repeat_is_answered(&self) -> bool;

    /// Queries about jobs; `None` where the gateway has none.
    fn query(&self) -> Option<&dyn StatusQuery> {
        None
    }

    /// Queries about accounts; `None` where the gateway has none.
    fn balance(&self) -> Option<&dyn Inquiry> {
        None
    }

    /// Binding receivers; `None` where the gateway knows none.
    fn bind(&self) -> Option<&dyn ReceiverBinding> {
        None
    }

    /// True if the gateway can be queried about this job, with what is known by now.
    fn can_query(&self, order: &GatewayRequest) -> bool {
        self.query().is_some_and(|query| query.covers(order))
    }
}

/// The capability to answer queries about jobs. No query moves money.
pub trait StatusQuery: Send + Sync {
    /// True if the gateway can be queried about this job, with what is known by now.
    fn covers(&self, order: &GatewayRequest) -> bool;

    /// Queries the job's status. Never answers [`Rejected`](bursar_domain::Outcome::Rejected) or
    /// [`NotReady`](bursar_domain::Outcome::NotReady).
    fn status<'a>(&'a self, request: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse>;
}

/// The capability to say how much an account holds.
pub trait Inquiry: Send + Sync {
    /// Asks how much an account holds. `Err` holds the response as a job's record would have it.
    fn balance_of<'a>(&'a self, query: &'a BalanceQuery) -> BoxFuture<'a, Result<Balance, Box<ParsedResponse>>>;
}

/// The capability to make receivers of splits known.
pub trait ReceiverBinding: Send + Sync {
    /// Binds a receiver by one request, which is never repeated by itself.
    fn bind_receiver<'a>(&'a self, receiver: &'a Receiver) -> BoxFuture<'a, Bound>;
}

/// The capabilities that a gateway may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// [`Gateway::balance`].
    Balance,
    /// [`Gateway::bind`].
    Bind,
}
