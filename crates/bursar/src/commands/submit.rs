//! `bursar submit` submits one job or JSON lines from a file or standard input, and prints one outcome a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::PathBuf;

use bursar_domain::MAX_JOB_BYTES;
use bursar_producer::{Outcome, Producer};
use clap::Args;
use serde_json::{Value, json};

use crate::context::CommandContext;
use crate::exit::{Context, Exit, Failure, Global, UsageError};
use crate::output::{line, one_line};
use crate::{journals, traces};

/// Some editors write it before the first line. It is no part of a job.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Jobs submitted in one round trip.
const BATCH: usize = 500;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar submit jobs.jsonl --config bursar.toml\n  echo '{\"account\":\"main\",…}' | bursar submit -\n\nIt is safe to submit a job again: it is idempotent. Exit 1 if any job was refused or is `unreadable` (a job with its key is stored that this build cannot read). The other jobs are still submitted."
)]
pub(crate) struct Arguments {
    /// A file with one job, or one job a line; - for standard input.
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let unreadable = |error| UsageError(format!("cannot read {}: {error}", arguments.file.display()));
    let input: Box<dyn Read> = if arguments.file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&arguments.file).map_err(unreadable)?)
    };
    let context = CommandContext::open(global.config.as_deref()).await?;
    journals::begin(&context.config, &context.store).await?;
    let traces = traces::start(&context.config)?;
    let producer = traces::witnessed(context.producer(), &traces);
    let submitted = submit_all(&producer, Jobs::new(BufReader::new(input)), arguments, global).await;
    traces.close().await;
    submitted
}

async fn submit_all(
    producer: &Producer,
    mut jobs: Jobs<impl BufRead>,
    arguments: &Arguments,
    global: &Global,
) -> Result<Exit, Failure> {
    let unreadable = |error| UsageError(format!("cannot read {}: {error}", arguments.file.display()));
    let mut exit = Exit::Done;
    // The reader of the outcomes may end early, as `head` does. All jobs are still submitted.
    let mut written = Ok(());
    let mut any = false;
    loop {
        let batch = jobs.batch().map_err(unreadable)?;
        if batch.is_empty() {
            break;
        }
        any = true;
        for (job, outcome) in batch.iter().zip(submit(producer, &batch).await?) {
            if !matches!(outcome, Outcome::New | Outcome::Existing(_)) {
                exit = Exit::No;
            }
            written = written.and_then(|()| write_outcome(job, &outcome, global));
        }
    }
    if !any {
        eprintln!("bursar: {} holds no job: nothing was submitted", arguments.file.display());
    }
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("every job was submitted, but not every outcome could be written")
        }
        Ok(()) | Err(_) => Ok(exit),
    }
}

async fn submit(producer: &Producer, batch: &[Numbered]) -> Result<Vec<Outcome>, Failure> {
    let texts: Vec<&[u8]> = batch.iter().map(|job| job.text.as_slice()).collect();
    Ok(producer.submit_json(&texts).await?)
}

fn write_outcome(job: &Numbered, outcome: &Outcome, global: &Global) -> io::Result<()> {
    if global.json { line(as_json(job, outcome)) } else { line(as_text(job, outcome)) }
}

fn as_text(job: &Numbered, outcome: &Outcome) -> String {
    let name = job.key(outcome).unwrap_or_else(|| format!("line {}", job.line));
    match outcome {
        Outcome::New => format!("new {name}"),
        Outcome::Existing(state) => format!("existing {state} {name}"),
        Outcome::Conflict { first, fields } if *first == name => {
            let differ =
                if fields.is_empty() { String::new() } else { format!(": {} differs", one_line(&fields.join(", "))) };
            format!("conflict {name}: this key was submitted before with other content{differ}")
        }
        Outcome::Conflict { first, .. } => {
            format!("conflict {name}: {first} is about the same thing and was there first")
        }
        Outcome::Invalid(invalid) => format!("invalid {name}: {invalid}"),
        Outcome::Unreadable(why) => {
            format!(
                "unreadable {name}: a job with this key is stored, and this build cannot read it ({why}): nothing was submitted"
            )
        }
    }
}

fn as_json(job: &Numbered, outcome: &Outcome) -> Value {
    let (line, key) = (job.line, job.key(outcome));
    match outcome {
        Outcome::New => json!({"line": line, "platform_no": key, "outcome": "new"}),
        Outcome::Existing(state) => json!({"line": line, "platform_no": key, "outcome": "existing", "state": state}),
        Outcome::Conflict { first, fields } => {
            json!({"line": line, "platform_no": key, "outcome": "conflict", "first": first, "fields": fields})
        }
        Outcome::Invalid(invalid) => {
            let mut object = json!({"line": line, "platform_no": key, "outcome": "invalid", "errors": invalid.errors});
            if let Some(body) = &invalid.corrected_body {
                object["corrected_body"] = json!(body);
            }
            object
        }
        Outcome::Unreadable(why) => {
            json!({"line": line, "platform_no": key, "outcome": "unreadable", "unreadable": why.to_string()})
        }
    }
}

/// A job's text with the line on which it begins.
struct Numbered {
    line: usize,
    text: Vec<u8>,
}

impl Numbered {
    /// The job's key, safe to print: a refused one may hold anything, even line ends.
    fn key(&self, outcome: &Outcome) -> Option<String> {
        match outcome {
            Outcome::Invalid(invalid) => invalid.key.clone(),
            Outcome::New | Outcome::Existing(_) | Outcome::Conflict { .. } | Outcome::Unreadable(_) => {
                let job: Value = serde_json::from_slice(&self.text).ok()?;
                Some(job.get("platform_no")?.as_str()?.to_owned())
            }
        }
    }
}

/// The jobs of an input: one JSON object over many lines, or one a line.
struct Jobs<R> {
    input: R,
    line: usize,
}

impl<R: BufRead> Jobs<R> {
    fn new(input: R) -> Self {
        Self { input, line: 0 }
    }

    /// The next jobs, at most [`BATCH`]; none at the end.
    fn batch(&mut self) -> io::Result<Vec<Numbered>> {
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            let Some(text) = self.next_line()? else { break };
            if text.trim_ascii().is_empty() {
                continue;
            }
            let first = batch.is_empty() && self.line == 1;
            if first && is_unfinished(&text) {
                return self.one_job_or_lines(text);
            }
            batch.push(Numbered { line: self.line, text });
        }
        Ok(batch)
    }

    /// A line without its end. A line that is too long for a job is cut one byte over the limit, and its rest is skipped: it is refused
    /// for its length and never fills the memory.
    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut text = Vec::new();
        let limit = u64::try_from(MAX_JOB_BYTES + 1).unwrap_or(u64::MAX);
        if self.input.by_ref().take(limit).read_until(b'\n', &mut text)? == 0 {
            return Ok(None);
        }
        self.line += 1;
        if self.line == 1 && text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len());
        }
        if text.last() == Some(&b'\n') {
            text.truncate(text.trim_ascii_end().len());
        } else if text.len() > MAX_JOB_BYTES {
            self.input.skip_until(b'\n')?;
        }
        Ok(Some(text))
    }

    /// The input begins with JSON that its first line does not finish: one job over several lines, if the whole is one.
    fn one_job_or_lines(&mut self, first: Vec<u8>) -> io::Result<Vec<Numbered>> {
        let mut lines = vec![Numbered { line: 1, text: first }];
        let mut bytes = lines[0].text.len();
        while bytes <= MAX_JOB_BYTES
            && let Some(text) = self.next_line()?
        {
            bytes += text.len() + 1;
            lines.push(Numbered { line: self.line, text });
        }
        let whole = lines.iter().map(|line| line.text.as_slice()).collect::<Vec<_>>().join(&b'\n');
        if serde_json::from_slice::<Value>(&whole).is_ok() {
            return Ok(vec![Numbered { line: 1, text: whole }]);
        }
        lines.retain(|line| !line.text.trim_ascii().is_empty());
        Ok(lines)
    }
}

fn is_unfinished(text: &[u8]) -> bool {
    serde_json::from_slice::<Value>(text).is_err_and(|error| error.is_eof())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8]) -> Vec<(usize, String)> {
        let mut jobs = Jobs::new(input);
        let mut found = Vec::new();
        loop {
            let batch = jobs.batch().unwrap();
            if batch.is_empty() {
                return found;
            }
            found.extend(batch.into_iter().map(|job| (job.line, String::from_utf8_lossy(&job.text).into_owned())));
        }
    }

    #[test]
    fn jobs_come_one_a_line_and_blank_lines_are_passed_over() {
        assert_eq!(all(b"{\"a\":1}\n\n  \n{\"b\":2}"), [(1, "{\"a\":1}".into()), (4, "{\"b\":2}".into())]);
    }

    #[test]
    fn a_byte_order_mark_before_the_first_job_is_passed_over() {
        assert_eq!(all("\u{feff}{\"a\":1}\n".as_bytes()), [(1, "{\"a\":1}".into())]);
    }

    #[test]
    fn one_job_may_stand_over_many_lines() {
        assert_eq!(all(b"{\n \"a\": 1\n}\n"), [(1, "{\n \"a\": 1\n}".into())]);
    }

    #[test]
    fn a_broken_first_line_does_not_hide_the_lines_after_it() {
        assert_eq!(all(b"{\"a\":\n{\"b\":2}\n"), [(1, "{\"a\":".into()), (2, "{\"b\":2}".into())]);
    }

    #[test]
    fn a_line_too_long_for_a_job_is_cut_and_the_next_one_is_whole() {
        let mut input = vec![b'x'; MAX_JOB_BYTES * 2];
        input.extend(b"\n{\"b\":2}\n");
        let found = all(&input);
        assert_eq!(found[0].1.len(), MAX_JOB_BYTES + 1);
        assert_eq!(found[1], (2, "{\"b\":2}".into()));
    }
}
