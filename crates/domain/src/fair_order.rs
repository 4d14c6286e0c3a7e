//! Fair order: which jobs of a queue share its turns, and by what weight. A group that has a thousand jobs delays another group's first one
//! no more than if it had one.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Kind;

/// Characters of a group's name: what is longer is cut.
const MAX_GROUP: usize = 64;

/// By what a queue's jobs are divided into groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FairBy {
    /// By who pays: `payer_store_no` or `payer_merchant_id`; of a bill upload the `store_id`.
    #[default]
    Payer,
    /// By a field of the content.
    Field(String),
    /// Not at all: jobs are sent in the order in which they are due.
    Nothing,
}

impl FairBy {
    /// `payer`, `none`, or a field's name.
    #[must_use]
    pub fn read(text: &str) -> Self {
        match text {
            "payer" => Self::Payer,
            "none" => Self::Nothing,
            field => Self::Field(field.to_owned()),
        }
    }
}

impl std::fmt::Display for FairBy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Payer => "payer",
            Self::Nothing => "none",
            Self::Field(field) => field,
        })
    }
}

/// The fair order of a queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FairOrder {
    /// By what jobs are divided into groups.
    pub by: FairBy,
    /// Groups whose weight is not 1. A group of weight 3 gets three times the turns of one of weight 1. Above 0.
    pub weights: BTreeMap<String, f64>,
}

impl FairOrder {
    /// The group of a job with this content; empty where the content names none.
    #[must_use]
    pub fn group(&self, kind: Kind, content: &str) -> String {
        let fields: &[&str] = match (&self.by, kind) {
            (FairBy::Nothing, _) => return String::new(),
            (FairBy::Payer, kind) => kind.facts().payer,
            (FairBy::Field(field), _) => &[field.as_str()],
        };
        let content: Value = serde_json::from_str(content).unwrap_or_default();
        let text = fields.iter().find_map(|field| match content.get(field)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
        });
        let text = text.unwrap_or_default();
        text.chars().filter(|character| !character.is_control()).take(MAX_GROUP).collect()
    }

    /// The distance by which a job of this group moves the group back: 1 divided by its weight.
    #[allow(clippy::float_arithmetic, reason = "a rank is a place among others, and no amount")]
    #[must_use]
    pub fn step(&self, group: &str) -> f64 {
        self.weights.get(group).map_or(1.0, |weight| 1.0 / weight)
    }

    /// The groups that have a weight, each with its step.
    #[must_use]
    pub fn steps(&self) -> Vec<(String, f64)> {
        self.weights.keys().map(|group| (group.clone(), self.step(group))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_who_pays_unless_another_field_is_named() {
        let transfer = r#"{"payer_store_no":"amy99a","payee_store_no":"amy99b","total_amount":10}"#;
        let upload = r#"{"store_id":"s1","node_id":"0006"}"#;
        for (by, kind, content, group) in [
            ("payer", Kind::Transfer, transfer, "amy99a"),
            ("payer", Kind::Transfer, r#"{"payer_merchant_id":"m 1"}"#, "m 1"),
            ("payer", Kind::BillUpload, upload, "s1"),
            ("payer", Kind::Split, r#"{"payOrderId":"P1"}"#, ""),
            ("payee_store_no", Kind::Transfer, transfer, "amy99b"),
            ("total_amount", Kind::Transfer, transfer, "10"),
            ("absent", Kind::Transfer, transfer, ""),
            ("none", Kind::Transfer, transfer, ""),
            ("payer", Kind::Transfer, "no JSON", ""),
            ("payer", Kind::Transfer, "{\"payer_store_no\":\"a\\nb\"}", "ab"),
        ] {
            let order = FairOrder { by: FairBy::read(by), ..FairOrder::default() };
            assert_eq!(order.group(kind, content), group, "{by} {content}");
            assert_eq!(order.by.to_string(), by);
        }
        let long = format!(r#"{{"payer_store_no":"{}"}}"#, "x".repeat(100));
        assert_eq!(FairOrder::default().group(Kind::Transfer, &long).len(), MAX_GROUP);
    }

    #[test]
    fn a_weight_of_four_moves_a_group_back_by_a_quarter() {
        let order = FairOrder { weights: BTreeMap::from([("a".to_owned(), 4.0)]), ..FairOrder::default() };
        assert!((order.step("a") - 0.25).abs() < f64::EPSILON && (order.step("b") - 1.0).abs() < f64::EPSILON);
        assert_eq!(order.steps(), [("a".to_owned(), 0.25)]);
    }
}
