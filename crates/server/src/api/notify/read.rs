//! Reading notifications: a page, or one with the attempts to tell of it. Readers see names and account numbers masked.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use bursar_domain::{AccountName, NotificationView};
use bursar_gateways::masked;
use bursar_store::NotificationFilter;
use serde_json::{Value, json};

use crate::http::auth::{Allowed, Read};
use crate::http::path::{NotificationName, notification_number};
use crate::http::problem::Problem;
use crate::http::query::{NoQuery, Query};
use crate::state::Shared;
use crate::state::notified::{notified, of_account};
use crate::state::tokens::{Bearer, Role};

/// Notifications of one page, at most and unless asked for fewer.
const MAX_PAGE: usize = 100;

/// `GET /v1/notifications?account=&held=&before=&limit=`: newest first.
pub(super) async fn list(who: Allowed<Read>, State(app): State<Shared>, uri: Uri) -> Result<Json<Value>, Problem> {
    let mut query = Query::of(&uri);
    let account = query.take("account", |name| Ok(name.to_owned()));
    let filter = query.take("held", |text| match text {
        "true" => Ok(NotificationFilter::Held),
        "false" => Ok(NotificationFilter::Read),
        _ => Err("must be true or false".to_owned()),
    });
    let before = query.take("before", notification_number);
    let limit = query.take("limit", |text| {
        let limit = text.parse::<usize>().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
        limit.ok_or_else(|| format!("must be a whole number from 1 to {MAX_PAGE}"))
    });
    query.finish()?;
    let account = match account {
        Some(name) => of_account(&app, &who.bearer, &name)?.name.clone(),
        None => only(&app, &who.bearer)?,
    };
    let limit = limit.unwrap_or(MAX_PAGE);
    let page = app.store.notifications(&account, filter.unwrap_or_default(), before, limit).await?;
    let next = page.last().filter(|_| page.len() == limit).map(|last| last.id);
    let shown: Vec<NotificationView> = page.into_iter().map(|view| shown(who.bearer.role, view)).collect();
    Ok(Json(json!({"notifications": shown, "next": next})))
}

/// `GET /v1/notifications/{account}/{id}`
pub(super) async fn one(
    who: Allowed<Read>,
    State(app): State<Shared>,
    name: NotificationName,
    _: NoQuery,
) -> Result<Json<Value>, Problem> {
    let NotificationName { account, number } = &name;
    let view = app.store.notification(account, *number).await?.ok_or_else(|| name.unknown())?;
    let callbacks = app.store.notification_history(account, *number).await?;
    Ok(Json(json!({"notification": shown(who.bearer.role, view), "callbacks": callbacks})))
}

/// The account, where there is but one that is notified.
fn only(app: &Shared, bearer: &Bearer) -> Result<AccountName, Problem> {
    match notified(app, bearer).as_slice() {
        [account] => Ok(account.name.clone()),
        accounts => {
            let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
            let rule = format!("is required; accounts that are notified: {}", names.join(", "));
            Err(Problem::invalid(&[bursar_domain::FieldError { field: "account".into(), rule }]))
        }
    }
}

fn shown(role: Role, view: NotificationView) -> NotificationView {
    match role {
        Role::Reader => NotificationView { content: masked(&view.content), ..view },
        Role::Operator | Role::Producer => view,
    }
}
