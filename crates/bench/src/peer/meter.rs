//! The gateway of the peer's worker: does the workload's work, and counts.

use bursar_domain::{Names, Outcome, ParsedResponse, Received, Suspicion};
use bursar_gateways::{BoxFuture, Gateway, GatewayRequest};

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

    async fn handle(&self, order: &GatewayRequest) -> ParsedResponse {
        self.tally.begin();
        let parsed = match &self.stub {
            None => Ok(parsed(&order.key, None)),
            // The stub gives every job the same number, which no gateway does.
            Some(stub) => stub.pay(&order.key, &order.content).await.map(|_| parsed(&order.key, Some(200))),
        };
        let parsed = parsed.unwrap_or_else(|error| {
            self.tally.fail(&error.to_string());
            ParsedResponse::of(Outcome::NoResponse, error.to_string())
        });
        self.tally.end(|| order.key.rsplit_once('-').and_then(|(_, at)| at.parse().ok()));
        parsed
    }
}

fn parsed(key: &str, http: Option<u16>) -> ParsedResponse {
    ParsedResponse {
        outcome: Outcome::Succeeded,
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
    fn send<'a>(&'a self, order: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse> {
        Box::pin(self.handle(order))
    }

    fn repeat_is_answered(&self) -> bool {
        true
    }
}
