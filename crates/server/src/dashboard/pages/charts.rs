//! `GET /charts`: one queue or the first of all, over a time.

use std::time::Duration;

use axum::extract::State as AppState;
use axum::http::Uri;
use bursar_domain::Queue;
use maud::html;

use crate::dashboard::charts::sampling::{Seen, look};
use crate::dashboard::charts::{self, sections};
use crate::dashboard::components::{percent, span};
use crate::dashboard::i18n::filled;
use crate::dashboard::page::{Answered, Live, Refused, Tab, page, refuse_problem};
use crate::dashboard::pages::report::as_csv;
use crate::dashboard::signed_in::SignedIn;
use crate::http::query::Query;
use crate::state::{ServerState, Shared};

/// Queues that one page reads; where there are more, the reader chooses one.
const QUEUES: usize = 20;

/// The time that a page covers, by the word in its address; the first is the default.
const PERIODS: [(&str, Duration); 4] = [
    ("1h", Duration::from_secs(3_600)),
    ("6h", Duration::from_secs(6 * 3_600)),
    ("24h", Duration::from_secs(24 * 3_600)),
    ("7d", Duration::from_secs(7 * 24 * 3_600)),
];

/// The choice of the page, and what is seen.
struct Chosen {
    queue: Option<Queue>,
    over: (&'static str, Duration),
    seen: Seen,
}

async fn chosen(signed_in: &SignedIn, app: &ServerState, uri: &Uri) -> Result<Chosen, Refused> {
    let mut query = Query::of(uri);
    let chosen = query.take("queue", |queue| match queue {
        "" => Ok(None),
        queue => queue.parse::<Queue>().map(Some).map_err(|error| error.to_string()),
    });
    let over = query.take("over", |word| {
        let known = PERIODS.into_iter().find(|(known, _)| *known == word);
        known.ok_or_else(|| format!("must be {}", PERIODS.map(|(known, _)| known).join(", ")))
    });
    query.finish().map_err(|wrong| refuse_problem(signed_in, wrong))?;
    let known = app.known_queues(signed_in.bearer());
    let chosen = chosen.flatten().filter(|queue| known.contains(queue));
    let queues: Vec<&Queue> = match &chosen {
        Some(queue) => vec![queue],
        None => known.iter().take(QUEUES).collect(),
    };
    let [shortest, ..] = PERIODS;
    let over = over.unwrap_or(shortest);
    let seen = look(app, &queues, over.1).await.map_err(|error| refuse_problem(signed_in, error))?;
    Ok(Chosen { queue: chosen, over, seen })
}

/// `GET /charts.csv`
pub(super) async fn csv(signed_in: SignedIn, AppState(app): AppState<Shared>, uri: Uri) -> Answered {
    let Chosen { seen, .. } = chosen(&signed_in, &app, &uri).await?;
    Ok(as_csv("bursar-throughput.csv", charts::csv(&seen)))
}

/// `GET /charts`
pub(super) async fn show(signed_in: SignedIn, AppState(app): AppState<Shared>, uri: Uri) -> Answered {
    let Chosen { queue: chosen, over: (word, _), seen } = chosen(&signed_in, &app, &uri).await?;
    let [shortest, ..] = PERIODS;
    let known = app.known_queues(signed_in.bearer());
    let words = signed_in.words();
    let queue = chosen.as_ref().map(ToString::to_string).unwrap_or_default();
    let content = html! {
        h1 { (words.charts) }
        form.filter action="/charts" method="get" {
            label { (words.queue) " " select name="queue" {
                option value="" { (words.every_queue) }
                @for queue in &known { option value=(queue) selected[chosen.as_ref() == Some(queue)] { (queue) } }
            } }
            label { (words.over) " " select name="over" {
                @for (name, over) in PERIODS { option value=(name) selected[name == word] { (span(words, over)) } }
            } }
            button type="submit" { (words.show) }
            " " a href={ "/charts.csv?over=" (word) "&queue=" (percent(&queue)) } download { (words.report.csv) }
        }
        @if chosen.is_none() && known.len() > QUEUES { p.notice { (filled(words.queues_of_many, &[&QUEUES.to_string()])) } }
        (sections(words, &seen))
    };
    // A chart over a longer time changes too slowly to renew it.
    let live = if word == shortest.0 { Live::Yes } else { Live::No };
    Ok(page(&signed_in, Tab::Charts, live, words.charts, &content))
}
