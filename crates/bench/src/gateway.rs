//! A gateway that answers at once, and reports when each send arrived.

use std::sync::atomic::{AtomicU32, Ordering};

use bursar_domain::{Names, Outcome, ParsedResponse, Received, Suspicion};
use bursar_gateways::{BoxFuture, Gateway, GatewayRequest, StatusQuery};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

/// Says yes to everything.
#[derive(Default)]
pub(crate) struct Yes {
    sends: AtomicU32,
    /// The channel that each send is reported on, if a measurement needs it.
    arrivals: Option<UnboundedSender<Arrival>>,
}

/// A send that reached the gateway.
pub(crate) struct Arrival {
    pub(crate) key: String,
    pub(crate) at: Instant,
}

impl Yes {
    /// One that reports each send.
    pub(crate) fn reporting_to(arrivals: UnboundedSender<Arrival>) -> Self {
        Self { sends: AtomicU32::new(0), arrivals: Some(arrivals) }
    }

    /// The number of sends that arrived.
    pub(crate) fn sends(&self) -> u32 {
        self.sends.load(Ordering::Relaxed)
    }

    fn outcome(&self, order: &GatewayRequest) -> ParsedResponse {
        ParsedResponse {
            outcome: Outcome::Succeeded,
            received: Received::Response,
            names: Names::Job,
            suspicion: Suspicion::Nothing,
            trade_no: Some(format!("42{}", order.key)),
            status: Some("1".into()),
            code: Some("10000".into()),
            message: None,
            request_id: None,
            http: Some(200),
            amount: None,
        }
    }
}

impl Gateway for Yes {
    fn send<'a>(&'a self, order: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse> {
        if let Some(arrivals) = &self.arrivals {
            arrivals.send(Arrival { key: order.key.clone(), at: Instant::now() }).ok();
        }
        self.sends.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(self.outcome(order)))
    }

    fn repeat_is_answered(&self) -> bool {
        true
    }

    fn query(&self) -> Option<&dyn StatusQuery> {
        Some(self)
    }
}

impl StatusQuery for Yes {
    fn covers(&self, _: &GatewayRequest) -> bool {
        true
    }

    fn status<'a>(&'a self, order: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse> {
        Box::pin(std::future::ready(self.outcome(order)))
    }
}
