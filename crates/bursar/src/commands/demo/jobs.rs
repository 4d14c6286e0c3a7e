//! The demo's jobs: a third of each kind, in the form of the pages' own examples.

use bursar_domain::{Kind, Queue};
use bursar_producer::NewJob;
use bursar_simulator::{Life, Simulator};
use bursar_store::Store;
use serde_json::json;

use crate::exit::Failure;

/// The demo's account for transfers and bill uploads.
pub(super) const MAIN: &str = "main";

/// The demo's account for splits.
pub(super) const SHOP: &str = "shop";

/// The lives of payments at the gateway, with weights.
pub(super) fn lives() -> Result<Vec<(Life, u32)>, Failure> {
    let lives = [("1", 40), ("9-1", 30), ("n-9-1", 15), ("9-0", 6), ("0", 4), ("9-2", 5)];
    lives.into_iter().map(|(life, weight)| Ok((life.parse()?, weight))).collect()
}

/// The jobs of one demo.
pub(super) struct Mix {
    jobs: Vec<NewJob>,
    queues: Vec<Queue>,
}

impl Mix {
    pub(super) fn new(count: u32) -> Self {
        let jobs: Vec<NewJob> = (1..=count).map(job).collect();
        let mut queues: Vec<Queue> = jobs.iter().filter_map(queue).collect();
        queues.sort_unstable();
        queues.dedup();
        Self { jobs, queues }
    }

    pub(super) fn jobs(&self) -> &[NewJob] {
        &self.jobs
    }

    pub(super) fn queues(&self) -> &[Queue] {
        &self.queues
    }

    /// A division that its gateway has only accepted cannot be followed (it has no query), so the demo's divisions end
    /// at once: one in twelve is refused by the channel.
    pub(super) fn give_lives(&self, simulator: &Simulator) {
        let lives: (Result<Life, _>, Result<Life, _>) = ("1".parse(), "0".parse());
        if let (Ok(done), Ok(refused)) = lives {
            for (index, job) in self.jobs.iter().filter(|job| job.kind == Kind::Split.as_str()).enumerate() {
                let life = if index % 12 == 7 { refused.clone() } else { done.clone() };
                simulator.give_life(&ledger_key(job), life);
            }
        }
    }

    /// The number of jobs that have ended or need review.
    pub(super) async fn ended(&self, store: &Store) -> Result<u32, Failure> {
        let mut ended = 0;
        for queue in &self.queues {
            let status = store.status(queue).await?;
            ended += status.counts.done + status.counts.review;
        }
        Ok(u32::try_from(ended)?)
    }
}

/// The name under which the gateway's ledger has the job.
pub(super) fn ledger_key(job: &NewJob) -> String {
    let text = |field: &str| job.body.get(field).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    match job.kind.parse() {
        Ok(Kind::BillUpload) => format!("{}/{}", text("order_id"), text("trade_type")),
        Ok(Kind::Split) => text("payOrderId"),
        Ok(Kind::Withdrawal) => text("remark"),
        Ok(Kind::Transfer) | Err(_) => job.platform_no.clone(),
    }
}

pub(super) fn queue(job: &NewJob) -> Option<Queue> {
    Some(Queue { account: job.account.parse().ok()?, kind: job.kind.parse().ok()? })
}

fn job(number: u32) -> NewJob {
    let key = format!("DEMO{number:06}");
    match number % 3 {
        0 => NewJob::new(
            SHOP,
            Kind::Split.as_str(),
            &key,
            json!({
                "payOrderId": format!("P{number:015}"),
                "receivers": [{"receiverId": 800_029, "divisionProfit": 0.3}, {"receiverId": 800_028, "divisionProfit": 0.2}],
            }),
        ),
        1 => NewJob::new(
            MAIN,
            Kind::Transfer.as_str(),
            &key,
            json!({
                "node_id": "00061967", "total_amount": 100 + number, "payer_store_no": "amy99a", "payer_type": "1",
                "payee_store_no": "amy99b", "payee_type": "2", "arrive_time": "T0",
            }),
        ),
        _ => NewJob::new(
            MAIN,
            Kind::BillUpload.as_str(),
            &key,
            json!({
                "trade_type": "1", "node_id": "100001", "order_amount": 199, "order_id": format!("B{number:09}"),
                "order_time": "20240301131800", "store_id": "20008221", "pay_type": "502",
                "goods_detail": [{"goods_id": "apple-01", "goods_name": "苹果", "quantity": 1, "price": 199, "real_price": 199}],
            }),
        ),
    }
}
