//! "Did you mean": the known name that a mistyped one is like.

/// The likeness from which a mistyped name is taken for a known one, on `strsim`'s scale from 0 to 1.
const ALIKE: f64 = 0.7;

/// The known name that `name` is most like, if it is like any. `platformNo` and `platform-no` are `platform_no`.
#[must_use]
pub fn nearest_name<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = plain(name);
    let likeness = |known: &'a str| (strsim::normalized_levenshtein(&plain(known), &name), known);
    let nearest = known.into_iter().map(likeness).max_by(|left, right| left.0.total_cmp(&right.0));
    nearest.filter(|(likeness, _)| *likeness >= ALIKE).map(|(_, known)| known)
}

/// A name without its case and its separators.
fn plain(name: &str) -> String {
    name.chars().filter(|character| !matches!(character, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest_name;

    #[test]
    fn other_styles_and_slips_of_the_finger_are_known() {
        let known = ["platform_no", "callback_url", "run_at", "body"];
        for (typed, meant) in [
            ("platformNo", Some("platform_no")),
            ("platform-no", Some("platform_no")),
            ("plaform_no", Some("platform_no")),
            ("callbackUrl", Some("callback_url")),
            ("runAt", Some("run_at")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest_name(typed, known), meant, "{typed}");
        }
    }
}
