//! What must hold of the apalis-redis door: what was pushed is one job, or is a dead letter with its reason.

use bursar_producer::{NewJob, Outcome};

use crate::evidence::Evidence;
use crate::properties::{Breach, about, accepted};

/// Whether the payload is this job, at whatever time it was to run.
fn is(payload: &str, job: &NewJob) -> bool {
    serde_json::from_str::<NewJob>(payload).is_ok_and(|pushed| NewJob { run_at: job.run_at.clone(), ..pushed } == *job)
}

pub(crate) fn each_is_a_job_or_aside(evidence: &Evidence) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (number, thing) in evidence.plan.things.iter().enumerate() {
        let accepted = accepted(evidence, number);
        for (variant, job) in thing.variants.iter().enumerate() {
            let aside = evidence.aside.iter().filter(|aside| is(&aside.payload, job)).count();
            let is_accepted = accepted.contains(&variant);
            if aside > 0 && (is_accepted || !evidence.plan.is_pushed(number, variant)) {
                breaches.push(about(number, format!("variant {variant} is a dead letter: {aside}")));
            }
            if aside == 0 && !is_accepted && evidence.plan.is_pushed(number, variant) {
                breaches.push(about(number, format!("variant {variant} was pushed, and is neither a job nor aside")));
            }
        }
    }
    breaches
}

pub(crate) fn what_is_no_job_is_aside(evidence: &Evidence) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let wrong = evidence.plan.door.iter().flat_map(|door| &door.wrong);
    for wrong in wrong.clone() {
        let kept = |aside: &&crate::evidence::DeadLetter| aside.payload.contains(&wrong.mark);
        let mut dead_letters = evidence.aside.iter().filter(kept).peekable();
        if dead_letters.peek().is_none() {
            breaches
                .push(Breach { thing: None, text: format!("{} was pushed, and is not a dead letter", wrong.payload) });
        }
        for aside in dead_letters.filter(|aside| !aside.why.contains(wrong.why)) {
            breaches.push(Breach { thing: None, text: format!("{} is a dead letter: {}", wrong.payload, aside.why) });
        }
    }
    let variants = || evidence.plan.things.iter().flat_map(|thing| &thing.variants);
    for aside in &evidence.aside {
        let known = wrong.clone().any(|wrong| aside.payload.contains(&wrong.mark))
            || variants().any(|job| is(&aside.payload, job));
        if !known {
            breaches.push(Breach { thing: None, text: format!("nobody pushed {}: {}", aside.payload, aside.why) });
        }
    }
    breaches
}

pub(crate) fn nothing_is_new_in_the_end(evidence: &Evidence) -> Vec<Breach> {
    let new = evidence.acks.iter().filter(|ack| ack.late && ack.outcome == Outcome::New);
    new.map(|ack| about(ack.thing, format!("variant {} was lost", ack.variant))).collect()
}
