//! Properties of the import from apalis-redis: each pushed task is one job, or a dead letter with its reason.

use bursar_producer::{NewJob, Outcome};

use crate::evidence::Evidence;
use crate::properties::{Breach, about, accepted};

/// True if the payload is this job, at any `run_at`.
fn is(payload: &str, job: &NewJob) -> bool {
    serde_json::from_str::<NewJob>(payload).is_ok_and(|pushed| NewJob { run_at: job.run_at.clone(), ..pushed } == *job)
}

pub(crate) fn each_is_a_job_or_a_dead_letter(evidence: &Evidence) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (number, thing) in evidence.plan.things.iter().enumerate() {
        let accepted = accepted(evidence, number);
        for (variant, job) in thing.variants.iter().enumerate() {
            let letters = evidence.dead_letters.iter().filter(|letter| is(&letter.payload, job)).count();
            let is_accepted = accepted.contains(&variant);
            if letters > 0 && (is_accepted || !evidence.plan.is_pushed(number, variant)) {
                breaches.push(about(number, format!("variant {variant} is {letters} times a dead letter")));
            }
            if letters == 0 && !is_accepted && evidence.plan.is_pushed(number, variant) {
                breaches.push(about(
                    number,
                    format!("variant {variant} was pushed, and is neither a job nor a dead letter"),
                ));
            }
        }
    }
    breaches
}

pub(crate) fn an_invalid_task_is_a_dead_letter(evidence: &Evidence) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let wrong = evidence.plan.import.iter().flat_map(|import| &import.wrong);
    for wrong in wrong.clone() {
        let kept = |letter: &&crate::evidence::DeadLetter| letter.payload.contains(&wrong.mark);
        let mut dead_letters = evidence.dead_letters.iter().filter(kept).peekable();
        if dead_letters.peek().is_none() {
            breaches
                .push(Breach { thing: None, text: format!("{} was pushed, and is not a dead letter", wrong.payload) });
        }
        for letter in dead_letters.filter(|letter| !letter.why.contains(wrong.why)) {
            breaches.push(Breach { thing: None, text: format!("{} is a dead letter: {}", wrong.payload, letter.why) });
        }
    }
    let variants = || evidence.plan.things.iter().flat_map(|thing| &thing.variants);
    for letter in &evidence.dead_letters {
        let known = wrong.clone().any(|wrong| letter.payload.contains(&wrong.mark))
            || variants().any(|job| is(&letter.payload, job));
        if !known {
            breaches.push(Breach { thing: None, text: format!("no one pushed {}: {}", letter.payload, letter.why) });
        }
    }
    breaches
}

pub(crate) fn nothing_is_new_in_the_end(evidence: &Evidence) -> Vec<Breach> {
    let new = evidence.acks.iter().filter(|ack| ack.late && ack.outcome == Outcome::New);
    new.map(|ack| about(ack.thing, format!("variant {} was lost", ack.variant))).collect()
}
