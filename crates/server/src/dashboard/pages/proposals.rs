//! `GET /proposals`: the actions that wait for a second operator. `/proposals/{id}/{approve|reject}` explains what follows, takes a reason,
//! does it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use bursar_domain::{ApprovalAction, Fen, Proposal, is_reason, without_accounts_but};
use bursar_store::{Executed, OpenProposal};
use maud::{Markup, html};

use crate::dashboard::access::Posted;
use crate::dashboard::components::action_form::ActionForm;
use crate::dashboard::components::{QUARANTINE, badge, job_address, moment};
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Refused, Tab, page, refuse, refuse_problem, see};
use crate::dashboard::signed_in::SignedIn;
use crate::http::path::PathParts;
use crate::ops::proposals::{self, NotApproved, NotProposed, is_of_queue};
use crate::state::{ServerState, Shared};

/// The page's address.
pub(super) const ADDRESS: &str = "/proposals";

type Name = PathParts<(String, String)>;

/// An operator's answer to a proposal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Approve,
    Reject,
}

impl Answer {
    const ALL: [Self; 2] = [Self::Approve, Self::Reject];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }

    /// Its name, and its effect.
    fn words(self, signed_in: &SignedIn, proposal: &Proposal) -> (&'static str, &'static str) {
        let words = &signed_in.words().proposal;
        match self {
            Self::Approve => (words.approve, words.approve_does),
            Self::Reject if proposal.is_by(signed_in.name(), signed_in.identity()) => {
                (words.withdraw, words.reject_does)
            }
            Self::Reject => (words.reject, words.reject_does),
        }
    }
}

pub(super) async fn show(signed_in: SignedIn, State(app): State<Shared>) -> Answered {
    let words = signed_in.words();
    let open = proposals::open(&app, signed_in.bearer()).await;
    let open = open.map_err(|refusal| refuse_problem(&signed_in, refusal))?;
    let content = html! {
        h1 { (words.proposal.proposals) @if !open.is_empty() { " " span.count { (open.len()) } } }
        p.soft { (words.proposal.note) }
        @if open.is_empty() { p.notice.good { (words.proposal.none_open) } }
        ul.queue { @for open in &open { li { (about(open)) (shown(&signed_in, open)) } } }
    };
    Ok(page(&signed_in, Tab::None, Live::Yes, words.proposal.proposals, &content))
}

/// The job, the key or the queue of a proposal.
fn about(open: &OpenProposal) -> Markup {
    let Proposal { queue, key, action, .. } = &open.proposal;
    html! {
        div {
            @match (key, action) {
                (Some(key), ApprovalAction::QuarantineDrop) => { a.key href=(QUARANTINE) { (key) } " " span.soft { (queue) } }
                (Some(key), _) => { a.key href=(job_address(queue, key)) { (key) } " " span.soft { (queue) } }
                (None, _) => { a.key href={ "/queues/" (queue.account) "/" (queue.kind) "/resume" } { (queue) } }
            }
            @if let Some(amount) = open.proposal.amount_fen { " " strong.amount { (Fen::yuan(amount)) } }
        }
    }
}

/// The proposed action, as a notice on the page of the job or queue.
pub(super) fn notice(signed_in: &SignedIn, open: Option<&OpenProposal>) -> Markup {
    html! { @if let Some(open) = open { div.notice data-proposal=(open.proposal.id) { (shown(signed_in, open)) } } }
}

/// The proposed action, with the answers to it.
fn shown(signed_in: &SignedIn, open: &OpenProposal) -> Markup {
    let words = signed_in.words();
    let proposal = &open.proposal;
    let own = proposal.key.as_deref().unwrap_or_default();
    let comment = without_accounts_but(&proposal.comment, &[own]);
    let what = what(words, proposal);
    html! {
        div.reason {
            (filled(words.proposal.proposes, &[&proposal.proposed_by, what, &comment]))
            @if let Some(end) = proposal.end { " → " (badge(words, end)) }
        }
        div.soft { (moment(&proposal.at.rfc3339())) " · " (words.proposal.open_until) " " (moment(&proposal.expires_at.rfc3339())) }
        @if signed_in.may_operate() {
            div.buttons {
                @for answer in Answer::ALL {
                    @if answer == Answer::Reject || !proposal.is_by(signed_in.name(), signed_in.identity()) {
                        a.act data-act=(answer.as_str()) href=(address(proposal, answer)) { (answer.words(signed_in, proposal).0) }
                    }
                }
            }
        }
    }
}

fn what(words: &Words, proposal: &Proposal) -> &'static str {
    match (proposal.action, proposal.action.kind()) {
        (ApprovalAction::ResumeLostWrites, _) => words.proposal.resume_lost_writes,
        (ApprovalAction::QuarantineDrop, _) | (_, None) => words.proposal.quarantine_drop,
        (ApprovalAction::Send | ApprovalAction::Resolve, Some(kind)) => words.action(kind),
    }
}

fn address(proposal: &Proposal, answer: Answer) -> String {
    format!("{ADDRESS}/{}/{}", proposal.id, answer.as_str())
}

/// `GET`: explains what follows.
pub(super) async fn query(signed_in: SignedIn, State(app): State<Shared>, name: Name) -> Answered {
    let (open, answer) = meant(&signed_in, &app, name).await?;
    Ok(asking(&signed_in, &open, answer, None, StatusCode::OK))
}

/// `POST`: does it.
pub(super) async fn perform(State(app): State<Shared>, name: Name, posted: Posted) -> Answered {
    let Posted { signed_in, form } = posted;
    let (open, answer) = meant(&signed_in, &app, name).await?;
    let words = signed_in.words();
    let reason = form.text("reason");
    if !is_reason(reason) {
        return Ok(asking(&signed_in, &open, answer, Some(words.reason_rule), StatusCode::UNPROCESSABLE_ENTITY));
    }
    let acting = signed_in.acting(reason);
    let done = match answer {
        Answer::Approve => proposals::approve(&app, &open, acting).await.map(Some),
        Answer::Reject => proposals::reject(&app, &open, acting).await.map(|_| None),
    };
    match done {
        Ok(Some(Executed::Job(record))) => Ok(see(&job_address(&record.queue, record.key.as_str()))),
        Ok(Some(Executed::Queue(_))) => Ok(see("/")),
        Ok(Some(Executed::Dropped) | None) => Ok(see(ADDRESS)),
        Err(refused) => Err(conflict(&signed_in, refused)),
    }
}

fn conflict(signed_in: &SignedIn, refused: NotApproved) -> Refused {
    let words = &signed_in.words().proposal;
    let text = match refused {
        NotApproved::Refused(refusal) => return refuse_problem(signed_in, refusal),
        NotApproved::Gone => words.gone.to_owned(),
        NotApproved::Void(change) => format!("{} ({change})", words.void),
        NotApproved::Own => words.own.to_owned(),
        NotApproved::NotNow(rule) => rule,
    };
    refuse(&signed_in.guest, Some(signed_in), StatusCode::CONFLICT, &text)
}

/// The answer to an action that could not be proposed.
pub(super) fn not_proposed(signed_in: &SignedIn, refused: &NotProposed) -> Refused {
    let words = &signed_in.words().proposal;
    let text = match &refused.open {
        Some(open) => filled(words.open_before, &[&open.proposal.proposed_by]),
        None => words.too_many.to_owned(),
    };
    refuse(&signed_in.guest, Some(signed_in), StatusCode::CONFLICT, &text)
}

/// The proposal and the answer that a path names, for a bearer who may operate.
async fn meant(signed_in: &SignedIn, app: &ServerState, name: Name) -> Result<(OpenProposal, Answer), Refused> {
    let words = signed_in.words();
    let refused = |status, why| refuse(&signed_in.guest, Some(signed_in), status, why);
    let not_found = || refused(StatusCode::NOT_FOUND, words.proposal.gone);
    let Path((id, act)) = name.map_err(|_| not_found())?;
    let answer = Answer::ALL.into_iter().find(|answer| answer.as_str() == act).ok_or_else(not_found)?;
    if !signed_in.may_operate() {
        return Err(refused(StatusCode::FORBIDDEN, words.not_allowed));
    }
    let open = proposals::open(app, signed_in.bearer()).await;
    let open = open.map_err(|refusal| refuse_problem(signed_in, refusal))?;
    let open = open.into_iter().find(|open| open.proposal.id == id).ok_or_else(not_found)?;
    Ok((open, answer))
}

fn asking(
    signed_in: &SignedIn,
    open: &OpenProposal,
    answer: Answer,
    wrong: Option<&str>,
    status: StatusCode,
) -> Response {
    let words = signed_in.words();
    let (name, does) = answer.words(signed_in, &open.proposal);
    let back = match &open.proposal.key {
        Some(key) if !is_of_queue(open) => job_address(&open.proposal.queue, key),
        _ => ADDRESS.to_owned(),
    };
    let is_dangerous = answer == Answer::Approve;
    let form = ActionForm { name, fields: Markup::default(), back: &back, is_dangerous };
    let comment = without_accounts_but(&open.proposal.comment, &[open.proposal.key.as_deref().unwrap_or_default()]);
    let content = html! {
        h1 { (name) }
        (about(open))
        p.notice {
            (filled(words.proposal.proposes, &[&open.proposal.proposed_by, what(words, &open.proposal), &comment]))
            @if let Some(end) = open.proposal.end { " → " (badge(words, end)) }
        }
        @if let Some(wrong) = wrong { p.notice.bad role="alert" { (wrong) } }
        p.does { (does) }
        (form.shown(signed_in))
    };
    let mut response = page(signed_in, Tab::None, Live::No, name, &content);
    *response.status_mut() = status;
    response
}
