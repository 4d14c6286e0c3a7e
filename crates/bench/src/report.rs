//! Figures as a table for people or as JSON lines for machines.

use std::borrow::Cow;
use std::io::{self, Write};

use comfy_table::{Attribute, Cell, CellAlignment, Table, presets};
use serde_json::{Map, Value, json};

use crate::machine::Machine;
use crate::options::Options;
use crate::quiet::Run;
use crate::reference::{self, PEERS, SOURCE};

/// One figure.
pub(crate) struct Figure {
    name: Cow<'static, str>,
    says: String,
    unit: &'static str,
    /// One value per run, in order.
    runs: Vec<f64>,
    /// Runs that something else disturbed however often they were repeated.
    disturbed: usize,
}

impl Figure {
    /// The median over all runs of the values that `read` returns.
    pub(crate) fn of_runs<T>(
        name: impl Into<Cow<'static, str>>,
        says: impl Into<String>,
        unit: &'static str,
        runs: &[Run<T>],
        read: impl Fn(&Run<T>) -> f64,
    ) -> Self {
        let disturbed = runs.iter().filter(|run| run.disturbed()).count();
        Self { name: name.into(), says: says.into(), unit, runs: runs.iter().map(read).collect(), disturbed }
    }

    fn median(&self) -> f64 {
        median(self.runs.clone())
    }

    fn json(&self) -> Value {
        let reference = reference::of(&self.name);
        let peers: Map<String, Value> = reference
            .into_iter()
            .flat_map(|reference| PEERS.iter().zip(reference.values))
            .filter_map(|(peer, value)| Some(((*peer).to_owned(), json!(value?))))
            .collect();
        json!({"figure": self.name, "says": self.says, "unit": self.unit, "value": self.median(), "runs": self.runs,
            "disturbed_runs": self.disturbed, "peers": peers, "peers_say": reference.map(|reference| reference.workload)})
    }

    fn cells(&self) -> Vec<Cell> {
        let number = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        let mark = if self.disturbed > 0 { "*" } else { "" };
        let mut cells = vec![
            Cell::new(&self.says),
            number(format!("{}{mark}", shown(self.median()))).add_attribute(Attribute::Bold),
            Cell::new(self.unit),
        ];
        let values = reference::of(&self.name).map_or([None; 4], |reference| reference.values);
        cells.extend(values.map(|value| number(value.map_or_else(|| "–".to_owned(), shown))));
        cells
    }
}

/// The destination of figures as they are measured.
pub(crate) struct Report<'a> {
    options: &'a Options,
    figures: Vec<Figure>,
}

impl<'a> Report<'a> {
    pub(crate) fn begin(options: &'a Options, machine: &Machine) -> io::Result<Self> {
        if options.json {
            line(json!({"machine": machine.json()}))?;
        } else {
            line(machine)?;
        }
        Ok(Self { options, figures: Vec::new() })
    }

    /// Announces the current measurement to the waiting user.
    pub(crate) fn measuring(&self, what: &str) {
        if !self.options.json {
            eprintln!("measuring: {what} …");
        }
    }

    pub(crate) fn add(&mut self, figure: Figure) -> io::Result<()> {
        if self.options.json {
            line(figure.json())?;
        }
        self.figures.push(figure);
        Ok(())
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        if self.options.json {
            return Ok(());
        }
        if self.options.markdown {
            return self.markdown();
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["median of the runs", "Bursar", ""].into_iter().chain(PEERS));
        for figure in &self.figures {
            table.add_row(figure.cells());
        }
        line(table)?;
        if self.figures.iter().any(|figure| figure.disturbed > 0) {
            line(
                "* something else kept more than a fifth of a core busy in some run: measure again when all is quiet",
            )?;
        }
        line(SOURCE)
    }
}

impl Report<'_> {
    /// Without the peers' figures, which only a side-by-side run may compare.
    fn markdown(&self) -> io::Result<()> {
        line("\n| figure | median of the runs | unit | runs | disturbed |\n|---|---|---|---|---|")?;
        for Figure { says, unit, runs, disturbed, .. } in &self.figures {
            let (value, says) = (shown(median(runs.clone())), says.trim().replace("\n  ", ": "));
            line(format_args!("| {says} | {value} | {unit} | {} | {disturbed} |", runs.len()))?;
        }
        line("")
    }
}

/// The middle one, or the middle of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(low), values.get(high)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

/// Three digits that count.
pub(crate) fn shown(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => grouped(&format!("{value:.0}")),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A whole number, all of its digits.
pub(crate) fn whole(count: u32) -> String {
    grouped(&count.to_string())
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn line(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_three_digits_that_count() {
        for (value, text) in
            [(119_206.4, "119,206"), (1_000.0, "1,000"), (485.2, "485"), (44.96, "45.0"), (0.066, "0.07")]
        {
            assert_eq!(shown(value), text);
        }
        assert_eq!([1, 10_000].map(whole), ["1", "10,000"]);
    }
}
