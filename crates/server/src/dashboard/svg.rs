//! Charts as inline SVG: bars, made of whole numbers, coloured by class, read without a script.

use maud::{Markup, html};

/// The drawing's width and the height of a column chart, in its own units.
const WIDTH: u64 = 600;
const HEIGHT: u64 = 140;

/// The height of a row of a bar chart, and where its bar begins and ends.
const ROW: u64 = 20;
const BAR: (u64, u64) = (150, 520);

/// A series' colour, by class, and its name.
pub(super) type Series<'a> = (&'a str, &'a str);

/// One column: how far left it stands is its index; a value for each series, stacked from below.
pub(super) struct Column {
    pub(super) title: String,
    pub(super) values: Vec<u64>,
}

/// Columns over time.
pub(super) fn columns(label: &str, series: &[Series<'_>], columns: &[Column], from: &str, to: &str) -> Markup {
    let highest = columns.iter().map(|column| column.values.iter().sum::<u64>()).max().unwrap_or(0);
    let step = WIDTH / u64::try_from(columns.len()).unwrap_or(1).max(1);
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT + 18) } role="img" aria-label=(label) {
            line.axis x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
            @for (index, column) in (0_u64..).zip(columns) {
                g { title { (column.title) }
                    rect.hover x=(index * step) y="0" width=(step) height=(HEIGHT) {}
                    @for (class, from, height) in stacked(series, &column.values, highest) {
                        rect class=(class) x=(index * step + 1) y=(HEIGHT - from - height) width=(step.saturating_sub(2).max(1)) height=(height) {}
                    }
                }
            }
            text x="0" y=(HEIGHT + 14) { (from) }
            text.end x=(WIDTH) y=(HEIGHT + 14) { (to) }
            text.top x="0" y="11" { (highest) }
        }
        (legend(series))
    }
}

/// The pieces of one column: class, where each begins above the axis, and how high it is. What is there is seen.
fn stacked<'a>(series: &[Series<'a>], values: &[u64], highest: u64) -> Vec<(&'a str, u64, u64)> {
    let mut from = 0;
    let mut pieces = Vec::new();
    for ((class, _), value) in series.iter().zip(values).filter(|(_, value)| **value > 0) {
        let height = (value.saturating_mul(HEIGHT - 14) / highest.max(1)).max(2);
        pieces.push((*class, from, height));
        from += height;
    }
    pieces
}

/// Rows with a bar for each series, beside each other.
pub(super) fn rows(label: &str, series: &[Series<'_>], rows: &[(String, Vec<u64>)]) -> Markup {
    let most = rows.iter().map(|(_, values)| values.iter().sum::<u64>()).max().unwrap_or(0).max(1);
    let height = ROW * u64::try_from(rows.len()).unwrap_or(1);
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(label) {
            @for (index, (name, values)) in (0_u64..).zip(rows) {
                text.end x=(BAR.0 - 8) y=(index * ROW + 14) { (name) }
                @for (class, from, width) in beside(series, values, most) {
                    rect class=(class) x=(BAR.0 + from) y=(index * ROW + 4) width=(width) height=(ROW - 8) {}
                }
                text x=(BAR.1 + 30) y=(index * ROW + 14) { (values.iter().sum::<u64>()) }
            }
        }
        @if series.len() > 1 { (legend(series)) }
    }
}

fn beside<'a>(series: &[Series<'a>], values: &[u64], most: u64) -> Vec<(&'a str, u64, u64)> {
    let mut from = 0;
    let mut pieces = Vec::new();
    for ((class, _), value) in series.iter().zip(values).filter(|(_, value)| **value > 0) {
        let width = (value.saturating_mul(BAR.1 - BAR.0) / most).max(2);
        pieces.push((*class, from, width));
        from += width;
    }
    pieces
}

fn legend(series: &[Series<'_>]) -> Markup {
    html! { p.key-of { @for (class, name) in series { span { svg.swatch viewBox="0 0 10 10" aria-hidden="true" { rect class=(class) width="10" height="10" {} } " " (name) } } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[Series<'_>] = &[("a", "A"), ("b", "B")];

    #[test]
    fn the_highest_column_fills_the_chart_and_what_is_small_is_seen() {
        assert_eq!(stacked(TWO, &[100, 0], 100), [("a", 0, HEIGHT - 14)]);
        assert_eq!(stacked(TWO, &[1, 1], 1_000_000), [("a", 0, 2), ("b", 2, 2)]);
        assert!(stacked(TWO, &[u64::MAX, 0], u64::MAX)[0].2 <= HEIGHT);
        assert_eq!(beside(TWO, &[5, 5], 10), [("a", 0, 185), ("b", 185, 185)]);
    }

    #[test]
    fn nothing_is_a_chart_too() {
        let chart = columns("none", TWO, &[], "a", "b").into_string();
        assert!(chart.contains("<svg") && !chart.contains("hover"), "{chart}");
    }
}
