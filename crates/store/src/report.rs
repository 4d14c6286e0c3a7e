//! The report of an account's day. Its sums are exact, or they are left out.

use bursar_domain::{AccountName, ContentSummary, Day, DayReport, Millis, OpenPlace, Queue, ReportRow, State, Zone};

use crate::{Cursor, EndedJobs, QueueStatus, Store, StoreError, StoredAs};

/// Open jobs of a place whose amounts are added up; where there are more, only their number is reported.
const OPEN_ADDED_UP: u64 = 2_000;

/// Records that one step reads.
const AT_ONCE: usize = 200;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum NoReport {
    /// The counts of such days are no longer kept.
    #[error("the counts of that day are no longer kept: they go back to {0}")]
    TooOld(Day),
    /// The day has not begun.
    #[error("that day has not begun in {0}")]
    NotBegun(String),
    /// The calendar has no such day.
    #[error("no clock shows that day")]
    NoSuchDay,
    /// A count or a sum could not be written, so that no sum over it is exact.
    #[error("the counts of {queue} are not exact in the hour from {hour}: add up what `bursar export` prints")]
    Inexact {
        /// The queue.
        queue: Queue,
        /// The beginning of the hour.
        hour: String,
    },
    /// Redis.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// The report of a day for the queues of one account.
    ///
    /// # Errors
    /// [`NoReport`].
    pub async fn day_report(
        &self,
        account: &AccountName,
        queues: &[Queue],
        zone: &Zone,
        day: Day,
    ) -> Result<DayReport, NoReport> {
        let now = self.now().await?;
        let (from, until) = zone.span(day).ok_or(NoReport::NoSuchDay)?;
        if now < from {
            return Err(NoReport::NotBegun(zone.name().to_owned()));
        }
        let kept_from = Millis(now.0.saturating_sub(crate::jobs::whole_millis(self.counts_keep)));
        if from < kept_from {
            let first = zone.day_of(kept_from);
            return Err(NoReport::TooOld(first.after().unwrap_or(first)));
        }
        let (mut ended, mut open) = (Vec::new(), Vec::new());
        let counts = self.ended(queues, from, until).await?;
        let statuses = self.statuses(queues).await?;
        for ((queue, counts), status) in queues.iter().zip(&counts).zip(&statuses) {
            ended.extend(ended_rows(queue, counts)?);
            for place in OpenPlace::ALL {
                open.extend(self.open_row(queue, status, place).await?);
            }
        }
        let reconciled = self.last_reconciled(account, (from, until)).await?;
        Ok(DayReport {
            day: day.to_string(),
            account: account.to_string(),
            time_zone: zone.name().to_owned(),
            from: from.rfc3339(),
            until: until.rfc3339(),
            read_at: now.rfc3339(),
            is_over: now >= until,
            ended,
            open,
            reconciled: reconciled.map(|run| run.view()),
        })
    }

    /// The row of a queue's open jobs in a place; `None` where there are none.
    async fn open_row(
        &self,
        queue: &Queue,
        status: &QueueStatus,
        place: OpenPlace,
    ) -> Result<Option<ReportRow<OpenPlace>>, StoreError> {
        let counts = status.counts;
        let count = match place {
            OpenPlace::ToSend => counts.to_send,
            OpenPlace::ToQuery => counts.to_query,
            OpenPlace::NeedsReview => counts.review,
        };
        if count == 0 {
            return Ok(None);
        }
        // Jobs of other places change while they are read; what needs review waits for a person.
        let amount_fen = match place {
            OpenPlace::NeedsReview if count <= OPEN_ADDED_UP => self.sum_in_review(queue, count).await?,
            OpenPlace::NeedsReview | OpenPlace::ToSend | OpenPlace::ToQuery => None,
        };
        let amount_fen = amount_fen.map(|fen| fen.to_string());
        Ok(Some(ReportRow { kind: queue.kind.to_string(), state: place, count, amount_fen }))
    }

    /// The sum of the amounts of exactly `count` jobs in review. `None` if they are not as many, or one cannot be read.
    async fn sum_in_review(&self, queue: &Queue, count: u64) -> Result<Option<i128>, StoreError> {
        let (mut sum, mut seen) = (0_i128, 0_u64);
        let mut next = Some(Cursor::default());
        while let Some(from) = next {
            let page = self.list(queue, Some(State::NeedsReview), &from, AT_ONCE).await?;
            for job in page.jobs {
                let StoredAs::Job(job) = job else { return Ok(None) };
                let content = job.content.as_deref().unwrap_or_default();
                let Some(amount) = ContentSummary::of(queue.kind, content).amount else { return Ok(None) };
                sum += i128::from(amount.get());
                seen += 1;
            }
            next = page.next.filter(|_| seen <= count);
        }
        Ok((seen == count).then_some(sum))
    }
}

/// The rows of a queue's ended jobs.
fn ended_rows(queue: &Queue, counts: &EndedJobs) -> Result<Vec<ReportRow<State>>, NoReport> {
    if let Some(hour) = counts.inexact.first() {
        return Err(NoReport::Inexact { queue: queue.clone(), hour: hour.rfc3339() });
    }
    let by_state = counts.by_state();
    let rows = State::ALL.into_iter().filter_map(|state| Some((state, by_state.get(state.as_str())?)));
    let row = |(state, sum): (State, &crate::Sum)| ReportRow {
        kind: queue.kind.to_string(),
        state,
        count: u64::try_from(sum.count).unwrap_or_default(),
        // An amount is one fen or more, so these jobs name none: a split in shares.
        amount_fen: (sum.fen > 0).then(|| sum.fen.to_string()),
    };
    Ok(rows.map(row).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bursar_domain::Millis;

    use super::*;
    use crate::Sum;

    #[test]
    fn jobs_that_name_no_amount_have_no_sum() {
        let queue: Queue = "shop/split".parse().unwrap();
        for (fen, shown) in [(0, None), (1, Some("1")), (9_007_199_254_740_993, Some("9007199254740993"))] {
            let minutes = BTreeMap::from([((Millis(0), "succeeded"), Sum { count: 2, fen })]);
            let rows = ended_rows(&queue, &EndedJobs { minutes, inexact: Vec::new() }).ok().unwrap();
            assert_eq!((rows[0].count, rows[0].amount_fen.as_deref()), (2, shown));
        }
    }
}
