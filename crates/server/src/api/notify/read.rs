//! Reading notifications: a page, or one with the attempts to deliver its webhook. Readers see names and account numbers masked.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use bursar_domain::{AccountName, HistoryEvent, NotificationView};
use bursar_gateways::masked;
use bursar_store::NotificationFilter;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::http::auth::{Allowed, Read};
use crate::http::operation::{Operation, get};
use crate::http::path::{NotificationName, NotificationNumber};
use crate::http::problem::{Kind, Problem};
use crate::http::query::{NoQuery, Query};
use crate::state::Shared;
use crate::state::notification_accounts::{notification_accounts, of_account};
use crate::state::tokens::{Bearer, Role};

/// Notifications of one page, at most and where the client does not say.
const MAX_PAGE: usize = 100;

pub(super) fn list_operation() -> Operation {
    get("notifications", list)
        .summary("A page of an account's notifications, newest first")
        .description("Readers see names and account numbers of people masked.")
        .allowed::<Read>()
        .query::<Parameters>()
        .answers::<NotificationPage>(200, "A page.")
        .refuses(&[Kind::NotFound])
        .stored()
}

pub(super) fn one_operation() -> Operation {
    get("notification", one)
        .summary("One notification, with the attempts to deliver its webhook")
        .description("Readers see names and account numbers of people masked.")
        .allowed::<Read>()
        .answers::<OneNotification>(200, "The notification.")
        .refuses(&[Kind::NotFound])
        .stored()
}

/// The parameters of the query.
#[derive(JsonSchema)]
struct Parameters {
    /// The account. It may be left out where only one receives notifications.
    #[schemars(with = "Option<AccountName>")]
    account: Option<String>,
    /// True for those that are signed and cannot be read, instead of the others.
    #[schemars(with = "bool", default)]
    held: NotificationFilter,
    /// Only notifications with a smaller number: the `next` of the page before.
    before: Option<NotificationNumber>,
    /// The most notifications on the page.
    #[schemars(range(min = 1, max = MAX_PAGE), default = "max_page")]
    limit: usize,
}

const fn max_page() -> usize {
    MAX_PAGE
}

impl Parameters {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        let mut query = Query::of(uri);
        let account = query.parse("account");
        let held = query.take("held", |text| match text {
            "true" => Ok(NotificationFilter::Held),
            "false" => Ok(NotificationFilter::Read),
            _ => Err("must be true or false".to_owned()),
        });
        let (before, limit) = (query.parse("before"), query.limit(MAX_PAGE));
        query.finish()?;
        Ok(Self { account, held: held.unwrap_or_default(), before, limit: limit.unwrap_or(MAX_PAGE) })
    }
}

/// A page of notifications.
#[derive(Serialize, JsonSchema)]
struct NotificationPage {
    /// The notifications.
    notifications: Vec<NotificationView>,
    /// The `before` of the next page; `null` on the last page.
    next: Option<u64>,
}

/// `GET /v1/notifications?account=&held=&before=&limit=`: newest first.
async fn list(who: Allowed<Read>, State(app): State<Shared>, uri: Uri) -> Result<Json<NotificationPage>, Problem> {
    let Parameters { account, held, before, limit } = Parameters::read(&uri)?;
    let account = match account {
        Some(name) => of_account(&app, &who.bearer, &name)?.name.clone(),
        None => only(&app, &who.bearer)?,
    };
    let before = before.map(|NotificationNumber(number)| number);
    let page = app.store.notifications(&account, held, before, limit).await?;
    let next = page.last().filter(|_| page.len() == limit).map(|last| last.id);
    let notifications = page.into_iter().map(|view| shown(who.bearer.role, view)).collect();
    Ok(Json(NotificationPage { notifications, next }))
}

/// A notification with the attempts to deliver its webhook.
#[derive(Serialize, JsonSchema)]
struct OneNotification {
    /// The notification.
    notification: NotificationView,
    /// The attempts, oldest first.
    #[schemars(with = "Vec<HistoryEvent>")]
    webhooks: Vec<Value>,
}

/// `GET /v1/notifications/{account}/{id}`
async fn one(
    who: Allowed<Read>,
    State(app): State<Shared>,
    name: NotificationName,
    _: NoQuery,
) -> Result<Json<OneNotification>, Problem> {
    let NotificationName { account, number } = &name;
    let view = app.store.notification(account, *number).await?.ok_or_else(|| name.unknown())?;
    let events = app.store.notification_history(account, *number).await?;
    let webhooks = events.iter().map(HistoryEvent::view).collect();
    Ok(Json(OneNotification { notification: shown(who.bearer.role, view), webhooks }))
}

/// The only account that receives notifications.
fn only(app: &Shared, bearer: &Bearer) -> Result<AccountName, Problem> {
    match notification_accounts(app, bearer).as_slice() {
        [account] => Ok(account.name.clone()),
        accounts => {
            let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
            let rule = format!("is required; the accounts that receive notifications are {}", names.join(", "));
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
