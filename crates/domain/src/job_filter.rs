//! The filter of a list of jobs: the same by the same names in the API, the command line and the dashboard.

use crate::{ContentDetails, Fen, Millis, Reason, State};

/// The wanted jobs: those that fit everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Jobs in this state.
    pub state: Option<State>,
    /// Jobs that came to where they are at this time or later: they ended, or need review since; others were accepted.
    pub since: Option<Millis>,
    /// The same before this time.
    pub until: Option<Millis>,
    /// Jobs of this amount.
    pub amount: Option<Fen>,
    /// Jobs of this amount or more.
    pub min_amount: Option<Fen>,
    /// Jobs of this amount or less.
    pub max_amount: Option<Fen>,
    /// Jobs that this account pays.
    pub payer: Option<String>,
    /// Jobs that pay this account, or a receiver of this number.
    pub payee: Option<String>,
    /// Jobs by which the gateway means this transaction.
    pub trade_no: Option<String>,
    /// Jobs about this order.
    pub order_id: Option<String>,
    /// Jobs that are where they are for the reason of this code.
    pub reason_code: Option<String>,
    /// Jobs whose key begins like this.
    pub prefix: Option<String>,
}

impl JobFilter {
    /// True if the time of a job in the list fits.
    #[must_use]
    pub fn fits_time(&self, at: Millis) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    /// True if a job's key fits.
    #[must_use]
    pub fn fits_key(&self, key: &str) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix.as_str()))
    }

    /// True if the state, the numbers and the reason in a job's record fit.
    #[must_use]
    pub fn fits_record(&self, state: State, trade_nos: &[String], reason: Option<&Reason>) -> bool {
        self.state.is_none_or(|wanted| state == wanted)
            && self.trade_no.as_ref().is_none_or(|wanted| trade_nos.contains(wanted))
            && self.reason_code.as_ref().is_none_or(|wanted| reason.is_some_and(|reason| reason.code() == *wanted))
    }

    /// True if the filter names anything that only a content has.
    #[must_use]
    pub const fn is_about_content(&self) -> bool {
        let Self { amount, min_amount, max_amount, payer, payee, order_id, .. } = self;
        amount.is_some()
            || min_amount.is_some()
            || max_amount.is_some()
            || payer.is_some()
            || payee.is_some()
            || order_id.is_some()
    }

    /// True if the whole facts of a job's content fit.
    #[must_use]
    pub fn fits_content(&self, details: &ContentDetails) -> bool {
        let amount = details.amount_fen;
        let is_same = |wanted: &Option<String>, text: &Option<String>| wanted.is_none() || wanted == text;
        self.amount.is_none_or(|wanted| amount == Some(wanted))
            && self.min_amount.is_none_or(|least| amount.is_some_and(|amount| amount >= least))
            && self.max_amount.is_none_or(|most| amount.is_some_and(|amount| amount <= most))
            && is_same(&self.payer, &details.payer)
            && (is_same(&self.payee, &details.payee)
                || details.receivers.iter().any(|receiver| Some(&receiver.receiver) == self.payee.as_ref()))
            && is_same(&self.order_id, &details.order_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GatewayText, Kind, Shown};

    #[test]
    fn a_job_fits_if_everything_that_is_given_fits() {
        let content = r#"{"total_amount":1234567,"payer_store_no":"amy99a","payee_store_no":"amy99b"}"#;
        let transfer = ContentDetails::of(Kind::Transfer, content, Shown::Whole);
        let split =
            ContentDetails::of(Kind::Split, r#"{"payOrderId":"P1","receivers":"[{\"receiverId\":7}]"}"#, Shown::Whole);
        let fen = |fen| Fen::new(fen);
        let any = JobFilter::default();
        let text = |text: &str| Some(text.to_owned());
        for (filter, of_transfer, of_split) in [
            (any.clone(), true, true),
            (JobFilter { amount: fen(1_234_567), ..any.clone() }, true, false),
            (JobFilter { amount: fen(1_234_568), ..any.clone() }, false, false),
            (JobFilter { min_amount: fen(1_234_567), max_amount: fen(1_234_567), ..any.clone() }, true, false),
            (JobFilter { min_amount: fen(1_234_568), ..any.clone() }, false, false),
            (JobFilter { max_amount: fen(1_234_566), ..any.clone() }, false, false),
            (JobFilter { payer: text("amy99a"), ..any.clone() }, true, false),
            (JobFilter { payer: text("amy99b"), ..any.clone() }, false, false),
            (JobFilter { payee: text("amy99b"), ..any.clone() }, true, false),
            (JobFilter { payee: text("7"), ..any.clone() }, false, true),
            (JobFilter { order_id: text("P1"), ..any.clone() }, false, true),
            (JobFilter { payer: text("amy99a"), payee: text("x"), ..any.clone() }, false, false),
        ] {
            assert_eq!(
                (filter.fits_content(&transfer), filter.fits_content(&split)),
                (of_transfer, of_split),
                "{filter:?}"
            );
            assert_eq!(filter.is_about_content(), filter != any, "{filter:?}");
        }
    }

    #[test]
    fn times_keys_numbers_and_reasons_are_compared() {
        let bounded = JobFilter { since: Some(Millis(5)), until: Some(Millis(9)), ..JobFilter::default() };
        let fits: Vec<bool> = [4, 5, 8, 9].map(|at| bounded.fits_time(Millis(at))).to_vec();
        assert_eq!(fits, [false, true, true, false]);
        let prefix = JobFilter { prefix: Some("RV-".to_owned()), ..JobFilter::default() };
        assert_eq!(["RV-1", "RV", "rv-1"].map(|key| prefix.fits_key(key)), [true, false, false]);
        let number = JobFilter { trade_no: Some("T2".to_owned()), ..JobFilter::default() };
        let numbers = ["T1".to_owned(), "T2".to_owned()];
        assert!(number.fits_record(State::Succeeded, &numbers, None));
        assert!(!number.fits_record(State::Succeeded, &numbers[..1], None));
        let reason = Reason::Rejected(GatewayText::default());
        let rejected =
            JobFilter { reason_code: Some("rejected".to_owned()), state: Some(State::Failed), ..JobFilter::default() };
        assert!(rejected.fits_record(State::Failed, &[], Some(&reason)));
        assert!(!rejected.fits_record(State::NeedsReview, &[], Some(&reason)));
        assert!(!rejected.fits_record(State::Failed, &[], None));
    }
}
