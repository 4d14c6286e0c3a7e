//! A gateway that answers at once, and tells when each send arrived.

use std::sync::atomic::{AtomicU32, Ordering};

use bursar_domain::{Answer, Names, Reading, Received, Suspicion};
use bursar_gateways::{BoxFuture, Gateway, Order, StatusQuery};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

/// Says yes to everything.
#[derive(Default)]
pub(crate) struct Yes {
    sends: AtomicU32,
    /// Where each send is reported, when a measurement wants it.
    arrivals: Option<UnboundedSender<Arrival>>,
}

/// A send that reached the gateway.
pub(crate) struct Arrival {
    pub(crate) key: String,
    pub(crate) at: Instant,
}

impl Yes {
    /// One that reports each send.
    pub(crate) fn telling(arrivals: UnboundedSender<Arrival>) -> Self {
        Self { sends: AtomicU32::new(0), arrivals: Some(arrivals) }
    }

    /// How many sends arrived.
    pub(crate) fn sends(&self) -> u32 {
        self.sends.load(Ordering::Relaxed)
    }

    fn answer(&self, order: &Order) -> Reading {
        Reading {
            answer: Answer::Succeeded,
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
    fn send<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Reading> {
        if let Some(arrivals) = &self.arrivals {
            arrivals.send(Arrival { key: order.key.clone(), at: Instant::now() }).ok();
        }
        self.sends.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(self.answer(order)))
    }

    fn resend_tells(&self) -> bool {
        true
    }

    fn query(&self) -> Option<&dyn StatusQuery> {
        Some(self)
    }
}

impl StatusQuery for Yes {
    fn covers(&self, _: &Order) -> bool {
        true
    }

    fn status<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Reading> {
        Box::pin(std::future::ready(self.answer(order)))
    }
}
