//! The simulator's own routes: the ledger, and the faults to inject. Plain JSON for tests, open to any client that
//! reaches the port. A body is read as JSON whatever its content type says, so that `curl -X PUT -d` works.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::faults::{Call, FaultProfile, Rule, Set};
use crate::gateway::Gateway;
use crate::ledger::{Ledger, Stats};
use crate::life::{Life, TradeNo};

type Shared = State<Arc<Gateway>>;
type Reply<T> = Result<Json<T>, (StatusCode, Json<Wrong>)>;

/// The error in a request to these routes.
#[derive(Serialize)]
pub(crate) struct Wrong {
    error: String,
}

#[derive(Deserialize)]
pub(crate) struct Filter {
    /// Keys, joined by commas.
    keys: Option<String>,
}

pub(crate) async fn ledger(State(gateway): Shared, Query(filter): Query<Filter>) -> Json<Ledger> {
    let only: Option<Vec<&str>> = filter.keys.as_deref().map(|keys| keys.split(',').collect());
    Json(gateway.books.read(only.as_deref()))
}

pub(crate) async fn stats(State(gateway): Shared) -> Json<Stats> {
    Json(gateway.books.stats())
}

pub(crate) async fn faults(State(gateway): Shared) -> Json<Set> {
    Json(gateway.faults.in_force())
}

/// One object, or several of them in an array, done in order.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// Either a rule, or a profile, or the end of all of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultOrder {
    fault: Option<Fault>,
    key: Option<String>,
    on: Option<Call>,
    times: Option<u32>,
    next: Option<u32>,
    #[serde(default)]
    always: bool,
    ms: Option<u64>,
    profile: Option<FaultProfile>,
    #[serde(default)]
    clear: bool,
}

pub(crate) async fn set_faults(State(gateway): Shared, body: Bytes) -> Reply<Set> {
    let orders: OneOrMany<FaultOrder> = read(&body)?;
    for order in orders.into_vec() {
        obey(&gateway, order).map_err(wrong)?;
    }
    Ok(Json(gateway.faults.in_force()))
}

fn obey(gateway: &Gateway, order: FaultOrder) -> Result<(), String> {
    if order.clear {
        gateway.faults.clear();
    }
    if let Some(profile) = order.profile {
        gateway.faults.set_profile(profile);
    }
    let Some(fault) = order.fault else {
        if order.clear || order.profile.is_some() {
            return Ok(());
        }
        return Err("give a fault, a profile or clear".to_owned());
    };
    let times = match (order.always, order.times.or(order.next)) {
        (true, None) => None,
        (false, Some(0)) => return Err("a rule for no request at all".to_owned()),
        (false, Some(times)) => Some(times),
        (false, None) => Some(1),
        (true, Some(_)) => return Err("always has no number of times".to_owned()),
    };
    let rule = Rule { key: order.key, on: order.on, fault, times, ms: order.ms };
    gateway.faults.add(rule).map_err(|error| error.to_string())
}

/// Either one key's life, or the weights of all others', or the end of both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LifeOrder {
    key: Option<String>,
    life: Option<String>,
    trade_no: Option<TradeNo>,
    weights: Option<BTreeMap<String, u32>>,
    #[serde(default)]
    clear: bool,
}

pub(crate) async fn set_lives(State(gateway): Shared, body: Bytes) -> Result<StatusCode, (StatusCode, Json<Wrong>)> {
    let orders: OneOrMany<LifeOrder> = read(&body)?;
    for order in orders.into_vec() {
        arrange(&gateway, order).map_err(wrong)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn arrange(gateway: &Gateway, order: LifeOrder) -> Result<(), String> {
    let read = |text: &str| text.parse::<Life>().map_err(|error| error.to_string());
    if order.clear {
        gateway.lives.clear();
    }
    if let Some(weights) = &order.weights {
        let weights: Result<Vec<(Life, u32)>, String> =
            weights.iter().map(|(text, weight)| Ok((read(text)?, *weight))).collect();
        gateway.lives.weigh(weights?);
    }
    match (order.key, order.life) {
        (Some(key), Some(life)) => {
            let life = read(&life)?.with_trade_no(order.trade_no.unwrap_or_default());
            gateway.give_life(&key, life);
            Ok(())
        }
        (None, None) if order.clear || order.weights.is_some() => Ok(()),
        (None | Some(_), None) | (None, Some(_)) => Err("give key and life, or weights, or clear".to_owned()),
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Latency {
    ms: u64,
}

pub(crate) async fn set_latency(State(gateway): Shared, body: Bytes) -> Reply<Latency> {
    let latency: Latency = read(&body)?;
    gateway.set_latency(Duration::from_millis(latency.ms));
    Ok(Json(latency))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, (StatusCode, Json<Wrong>)> {
    serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))
}

fn wrong(error: String) -> (StatusCode, Json<Wrong>) {
    (StatusCode::BAD_REQUEST, Json(Wrong { error }))
}
