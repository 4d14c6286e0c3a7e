//! The gateway that the peer's worker has: does what the workload asks, and counts.

use bursar_domain::{Answer, Names, Reading, Received, Suspicion};
use bursar_gateways::{BoxFuture, Gateway, Order};

use super::stub::Stub;
use super::tally::Tally;

/// The gateway and its count.
pub(super) struct Meter {
    tally: Tally,
    /// `None` for the workload that does nothing.
    stub: Option<Stub>,
}

impl Meter {
    pub(super) const fn new(tally: Tally, stub: Option<Stub>) -> Self {
        Self { tally, stub }
    }

    pub(super) const fn tally(&self) -> &Tally {
        &self.tally
    }

    async fn handle(&self, order: &Order) -> Reading {
        self.tally.begin();
        let reading = match &self.stub {
            None => Ok(reading(&order.key, None)),
            // The stub gives every job the same number, which no gateway does.
            Some(stub) => stub.pay(&order.key, &order.content).await.map(|_| reading(&order.key, Some(200))),
        };
        let reading = reading.unwrap_or_else(|error| {
            self.tally.fail(&error.to_string());
            Reading::of(Answer::Silent, error.to_string())
        });
        self.tally.end(|| order.key.rsplit_once('-').and_then(|(_, at)| at.parse().ok()));
        reading
    }
}

fn reading(key: &str, http: Option<u16>) -> Reading {
    Reading {
        answer: Answer::Succeeded,
        received: Received::Response,
        names: Names::Job,
        suspicion: Suspicion::Nothing,
        trade_no: Some(format!("42{key}")),
        status: Some("1".into()),
        code: Some("10000".into()),
        message: None,
        request_id: None,
        http,
        amount: None,
    }
}

impl Gateway for Meter {
    fn send<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Reading> {
        Box::pin(self.handle(order))
    }

    fn resend_tells(&self) -> bool {
        true
    }
}
