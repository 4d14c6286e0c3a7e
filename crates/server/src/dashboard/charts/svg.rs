//! Charts as inline SVG: columns, lines and bars, made of whole numbers, coloured by class, without a script. Their texts are HTML next to
//! them, so that they are as large on a phone as all other text.

use maud::{Markup, html};

/// The drawing's width and height, in its own units; the page stretches it.
const WIDTH: u64 = 600;
const HEIGHT: u64 = 140;

/// A series' colour, by class, and its name.
pub(super) type Series<'a> = (&'a str, &'a str);

/// One column or moment: its text, and a value for each series.
pub(super) struct Column<V> {
    pub(super) title: String,
    pub(super) values: Vec<V>,
}

/// The texts next to a chart over time.
pub(super) struct Axis {
    /// The chart's label for readers of screens.
    pub(super) label: String,
    /// Behind the numbers: "ms".
    pub(super) unit: &'static str,
    /// Its first, middle and last moment.
    pub(super) ticks: [Markup; 3],
}

/// Columns over time, the series stacked from below.
pub(super) fn columns(axis: &Axis, series: &[Series<'_>], columns: &[Column<u64>]) -> Markup {
    let top = round(columns.iter().map(|column| column.values.iter().sum::<u64>()).max().unwrap_or(0));
    let step = WIDTH / u64::try_from(columns.len()).unwrap_or(1).max(1);
    let drawn = html! {
        @for (index, column) in (0_u64..).zip(columns) {
            g { title { (column.title) }
                rect.hover x=(index * step) y="0" width=(step) height=(HEIGHT) {}
                @for (class, from, height) in stacked(series, &column.values, top) {
                    rect class=(class) x=(index * step + 1) y=(HEIGHT - from - height) width=(step.saturating_sub(2).max(1)) height=(height) {}
                }
            }
        }
    };
    framed(axis, top, &drawn, &legend(series, "swatch"))
}

/// Lines over time; one breaks where there is no value.
pub(super) fn lines(axis: &Axis, series: &[Series<'_>], moments: &[Column<Option<u64>>]) -> Markup {
    let top = round(moments.iter().flat_map(|moment| moment.values.iter().flatten()).copied().max().unwrap_or(0));
    let step = WIDTH / u64::try_from(moments.len()).unwrap_or(1).max(1);
    let drawn = html! {
        @for (index, (class, _)) in series.iter().enumerate() {
            @let values: Vec<Option<u64>> = moments.iter().map(|moment| moment.values.get(index).copied().flatten()).collect();
            @let path = path(&values, step, top);
            path class={ "line " (class) } d=(path.line) {}
            path class={ "line dots " (class) } d=(path.dots) {}
        }
        @for (index, moment) in (0_u64..).zip(moments) {
            g { title { (moment.title) } rect.hover x=(index * step) y="0" width=(step) height=(HEIGHT) {} }
        }
    };
    framed(axis, top, &drawn, &legend(series, "stroke"))
}

fn framed(axis: &Axis, top: u64, drawn: &Markup, legend: &Markup) -> Markup {
    let Axis { label, unit, ticks } = axis;
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    html! {
        figure.chart {
            div.plot {
                span.top { (top) (unit) }
                @if top.is_multiple_of(2) { span.half { (top / 2) (unit) } }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(label) {
                    line.axis x1="0" y1="0" x2=(WIDTH) y2="0" {}
                    line.axis x1="0" y1=(HEIGHT / 2) x2=(WIDTH) y2=(HEIGHT / 2) {}
                    line.axis x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
                    (drawn)
                }
            }
            div.ticks { @for tick in ticks { (tick) } }
            (legend)
        }
    }
}

/// The next number above that is easily halved and read: an even one with two significant digits.
fn round(highest: u64) -> u64 {
    let mut unit = 1_u64;
    while unit.saturating_mul(100) <= highest && unit < u64::MAX / 100 {
        unit *= 10;
    }
    highest.max(1).checked_next_multiple_of(unit * 2).unwrap_or(highest)
}

/// A value's height above the axis, in units of the drawing.
fn height(value: u64, top: u64) -> u64 {
    let exact = u128::from(value) * u128::from(HEIGHT) / u128::from(top.max(1));
    u64::try_from(exact).unwrap_or(HEIGHT).min(HEIGHT)
}

/// The pieces of one column: class, start above the axis, and height. A value above 0 is at least one unit high.
fn stacked<'a>(series: &[Series<'a>], values: &[u64], top: u64) -> Vec<(&'a str, u64, u64)> {
    let mut from = 0;
    let mut pieces = Vec::new();
    for ((class, _), value) in series.iter().zip(values).filter(|(_, value)| **value > 0) {
        let height = height(*value, top).max(2).min(HEIGHT.saturating_sub(from));
        pieces.push((*class, from, height));
        from += height;
    }
    pieces
}

/// A line through the middle of each moment that has a value, and a dot at each.
struct Path {
    line: String,
    dots: String,
}

fn path(values: &[Option<u64>], step: u64, top: u64) -> Path {
    let mut path = Path { line: String::new(), dots: String::new() };
    let mut is_begun = false;
    for (index, value) in (0_u64..).zip(values) {
        let Some(value) = value else {
            is_begun = false;
            continue;
        };
        let (x, y) = (index * step + step / 2, HEIGHT - height(*value, top));
        path.line.push_str(&format!("{}{x} {y}", if is_begun { 'L' } else { 'M' }));
        path.dots.push_str(&format!("M{x} {y}h.01")); // a stroke without a length is not drawn everywhere
        is_begun = true;
    }
    path
}

/// The length of the longest bar, in units of the drawing.
const BAR: u64 = 1_000;

/// Rows with a bar for each series, side by side.
pub(super) fn rows(label: &str, series: &[Series<'_>], rows: &[(String, Vec<u64>)]) -> Markup {
    let most = rows.iter().map(|(_, values)| values.iter().sum::<u64>()).max().unwrap_or(0).max(1);
    html! {
        ul.bars aria-label=(label) {
            @for (name, values) in rows {
                li {
                    span.name { (name) }
                    svg viewBox={ "0 0 " (BAR) " 10" } preserveAspectRatio="none" aria-hidden="true" {
                        @for (class, from, width) in side_by_side(series, values, most) { rect class=(class) x=(from) y="0" width=(width) height="10" {} }
                    }
                    span.count-of { (values.iter().sum::<u64>()) }
                }
            }
        }
        @if series.len() > 1 { (legend(series, "swatch")) }
    }
}

fn side_by_side<'a>(series: &[Series<'a>], values: &[u64], most: u64) -> Vec<(&'a str, u64, u64)> {
    let mut from = 0;
    let mut pieces = Vec::new();
    for ((class, _), value) in series.iter().zip(values).filter(|(_, value)| **value > 0) {
        let width = (value.saturating_mul(BAR) / most).max(3);
        pieces.push((*class, from, width));
        from += width;
    }
    pieces
}

/// The meaning of each colour, as a square or as a stroke.
fn legend(series: &[Series<'_>], shape: &str) -> Markup {
    html! {
        p.key-of { @for (class, name) in series {
            span {
                svg class=(shape) viewBox="0 0 20 10" aria-hidden="true" {
                    @if shape == "stroke" { path class={ "line " (class) } d="M0 5H20" {} } @else { rect class=(class) x="5" width="10" height="10" {} }
                }
                " " (name)
            }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[Series<'_>] = &[("a", "A"), ("b", "B")];

    fn axis() -> Axis {
        Axis { label: "none".into(), unit: "ms", ticks: [html! { "a" }, html! { "b" }, html! { "c" }] }
    }

    #[test]
    fn a_charts_top_is_a_round_number_that_halves_well() {
        for (highest, top) in
            [(0, 2), (1, 2), (2, 2), (3, 4), (9, 10), (10, 10), (11, 12), (101, 120), (999, 1_000), (1_234, 1_400)]
        {
            assert_eq!(round(highest), top, "{highest}");
        }
        assert_eq!(round(u64::MAX), u64::MAX);
    }

    #[test]
    fn the_highest_column_fills_the_chart_and_what_is_small_is_seen() {
        assert_eq!(stacked(TWO, &[100, 0], 100), [("a", 0, HEIGHT)]);
        assert_eq!(stacked(TWO, &[1, 1], 1_000_000), [("a", 0, 2), ("b", 2, 2)]);
        assert_eq!(
            stacked(TWO, &[u64::MAX, 1], u64::MAX),
            [("a", 0, HEIGHT), ("b", HEIGHT, 0)],
            "no bar is higher than the chart"
        );
        assert_eq!(side_by_side(TWO, &[5, 5], 10), [("a", 0, 500), ("b", 500, 500)]);
    }

    #[test]
    fn a_line_breaks_where_nothing_was_measured() {
        let values = [Some(0), Some(100), None, Some(50), None];
        let Path { line, dots } = path(&values, 20, 100);
        assert_eq!(line, format!("M10 {HEIGHT}L30 0M70 {}", HEIGHT / 2));
        assert_eq!(dots.matches('M').count(), 3);
        assert_eq!(path(&[None], 20, 100).line, "");
    }

    #[test]
    fn nothing_is_a_chart_too() {
        let chart = columns(&axis(), TWO, &[]).into_string() + &lines(&axis(), TWO, &[]).into_string();
        assert!(chart.contains("<svg") && !chart.contains("hover"), "{chart}");
    }
}
