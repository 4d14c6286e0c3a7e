//! The jobs: as much content as the other peers' jobs have, about 300 bytes as JSON.

use serde::{Deserialize, Serialize};

use crate::tally::wall_micros;

/// A payment to make.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Job {
    pub(crate) key: String,
    node: u32,
    store: String,
    terminal: String,
    channel: String,
    order_minor: u64,
    discount_minor: u64,
    amount_minor: u64,
    currency: String,
    merchant: String,
    callback_url: String,
    attached: String,
    /// When it was made, by this machine's clock.
    pub(crate) submitted_us: u64,
}

impl Job {
    /// The job with this number, submitted now.
    pub(crate) fn new(number: u32) -> Self {
        let (order_minor, discount_minor) = (1_000 + u64::from(number) * 37 % 90_000, u64::from(number) * 7 % 500);
        Self {
            key: format!("P20260314-{number:09}"),
            node: number % 64,
            store: format!("ST-{:06}", number % 5_000),
            terminal: format!("T-{:04}", number % 9_999),
            channel: "wxpay".into(),
            order_minor,
            discount_minor,
            amount_minor: order_minor - discount_minor,
            currency: "CNY".into(),
            merchant: "M880012345678".into(),
            callback_url: format!("https://pos.example.com/n/{:06}", number % 5_000),
            attached: "queue 4, shift B".into(),
            submitted_us: wall_micros(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_about_as_long_as_the_other_peers_jobs() {
        let length = serde_json::to_string(&Job::new(12_345)).map(|text| text.len());
        assert!((280..=320).contains(&length.unwrap_or_default()));
    }
}
