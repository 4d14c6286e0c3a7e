//! The jobs of a seed. Each is a thing at the gateway. Rivals want the same thing in another form, or under another key, and only one
//! of them can be accepted.

use std::time::Duration;

use bursar_producer::{AccountRules, GatewayKind, Key, Kind, NewJob, Queue};
use bursar_simulator::Fault;
use fastrand::Rng;
use serde_json::json;

/// The accounts of every seed: two at one gateway, which may differ in their policy, and one at the other.
pub(crate) const ACCOUNTS: [(&str, GatewayKind); 3] =
    [("main", GatewayKind::Yzt), ("keep", GatewayKind::Yzt), ("shop", GatewayKind::Beingfi)];

/// A payment's lives at the gateway, with their weights. Every life but the last ends long before the seed.
const LIVES: [(&str, u32); 10] = [
    ("1", 50),
    ("9-1", 15),
    ("n-9-1", 8),
    ("n-1", 5),
    ("9-0", 6),
    ("0", 6),
    ("9-2", 3),
    ("1-2", 3),
    ("n-9-0", 2),
    ("9", 2),
];

/// Faults of single requests, in addition to the gateway's profile. Some are refusals after which a client may rightly stop.
const SPOILS: [Fault; 12] = [
    Fault::Refused,
    Fault::NotPaid,
    Fault::NobodyPaid,
    Fault::FailedWithoutCode,
    Fault::InvalidTimestamp,
    Fault::UnknownRefusal,
    Fault::Busy,
    Fault::LostAnswer,
    Fault::ResetBefore,
    Fault::LateExecution,
    Fault::GatewayTimeout,
    Fault::HangAfter,
];

/// A payment that is to be made once, with all submissions that want it.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    /// Its name in the gateway's ledger.
    pub(crate) ledger_key: String,
    pub(crate) queue: Queue,
    /// The statuses that it goes through once it is executed.
    pub(crate) life: &'static str,
    /// True if the gateway withholds its number while the payment waits.
    pub(crate) withholds_number: bool,
    /// The faults of its first requests, and their number.
    pub(crate) spoilt: Option<(Fault, u32)>,
    /// The earliest time of its send, after the start.
    pub(crate) later: Option<Duration>,
    /// Its submissions; one of these can be accepted.
    pub(crate) variants: Vec<NewJob>,
    /// By variant: the receiver of its producer's webhooks; `None` for a job without them.
    pub(crate) receivers: Vec<Option<usize>>,
}

impl Thing {
    pub(crate) fn key(&self, variant: usize) -> Key {
        self.variants[variant].platform_no.parse().expect("the keys of a plan are keys")
    }
}

/// Every queue of every account.
pub(crate) fn queues() -> Vec<Queue> {
    ACCOUNTS.iter().flat_map(|(account, gateway)| queues_of(account, *gateway)).collect()
}

/// Every queue of an account of this name.
pub(crate) fn queues_of(account: &str, gateway: GatewayKind) -> Vec<Queue> {
    let queue = |kind: &Kind| Queue { account: account.parse().expect("an account's name"), kind: *kind };
    AccountRules::new(gateway).kinds().iter().map(queue).collect()
}

/// An entry, each as likely as its weight.
pub(crate) fn weighted<T: Copy>(dice: &mut Rng, entries: &[(T, u32)]) -> T {
    let total: u32 = entries.iter().map(|(_, weight)| *weight).sum();
    let mut left = dice.u32(..total);
    for (entry, weight) in entries {
        match left.checked_sub(*weight) {
            Some(rest) => left = rest,
            None => return *entry,
        }
    }
    unreachable!("what is left is less than all weights together")
}

/// Draws the thing of this number.
pub(crate) fn draw(dice: &mut Rng, number: usize) -> Thing {
    let kind = weighted(dice, &[(Kind::Transfer, 60), (Kind::BillUpload, 22), (Kind::Split, 18)]);
    let account = match kind {
        Kind::Split => "shop",
        Kind::Transfer | Kind::BillUpload | Kind::Withdrawal => weighted(dice, &[("main", 2), ("keep", 1)]),
    };
    let amount = dice.u32(1..100_000);
    let job = |key: String, amount| NewJob::new(account, kind.as_str(), &key, body(kind, number, amount));
    let mut variants = vec![job(format!("{kind}-{number}"), amount)];
    if dice.u32(..10) == 0 {
        variants.push(job(format!("{kind}-{number}"), amount + 1));
    }
    // A transfer is named by its key alone.
    if kind != Kind::Transfer && dice.u32(..10) == 0 {
        variants.push(job(format!("{kind}-{number}-again"), amount));
    }
    Thing {
        ledger_key: match kind {
            Kind::Transfer | Kind::Withdrawal => format!("{kind}-{number}"),
            Kind::BillUpload => format!("order{number}/1"),
            Kind::Split => format!("pay{number}"),
        },
        queue: Queue { account: account.parse().expect("an account's name"), kind },
        life: weighted(dice, &LIVES),
        withholds_number: dice.u32(..8) == 0,
        spoilt: (dice.u32(..8) == 0).then(|| (SPOILS[dice.usize(..SPOILS.len())], dice.u32(1..4))),
        later: (dice.u32(..6) == 0).then(|| Duration::from_millis(dice.u64(300..3_500))),
        receivers: vec![None; variants.len()],
        variants,
    }
}

/// One transfer of the account `main`, without faults.
#[cfg(debug_assertions)]
pub(crate) fn one_transfer(life: &'static str) -> Thing {
    Thing {
        ledger_key: "transfer-1".into(),
        queue: "main/transfer".parse().expect("a queue's name"),
        life,
        withholds_number: false,
        spoilt: None,
        later: None,
        variants: vec![NewJob::new("main", "transfer", "transfer-1", body(Kind::Transfer, 1, 10))],
        receivers: vec![None],
    }
}

/// The fields that the gateways' pages require, and little more.
fn body(kind: Kind, number: usize, amount: u32) -> serde_json::Value {
    match kind {
        Kind::Transfer => json!({
            "node_id": "00061967", "total_amount": amount, "payer_store_no": "amy99a", "payer_type": "1",
            "payee_store_no": "amy99b", "payee_type": "2", "arrive_time": "T0",
        }),
        Kind::BillUpload => json!({
            "trade_type": "1", "node_id": "100001", "order_amount": amount, "order_id": format!("order{number}"),
            "order_time": "20240301131800", "store_id": "20008221",
        }),
        Kind::Withdrawal => json!({
            "sso_node_id": "00061967", "merchant_id": 1_000_000_001_116_i64, "account_sub_type": "0", "card_type": "0",
            "total_amount": amount, "remark": format!("withdrawal-{number}"),
        }),
        Kind::Split => json!({
            "payOrderId": format!("pay{number}"), "useSysAutoDivisionReceivers": "0",
            "receivers": [{"receiverId": amount.to_string(), "divisionProfit": "0.1"}],
        }),
    }
}
