//! The list of kinds: each one's facts agree with each other and with those of the others.

use super::*;

#[test]
fn the_serialised_name_is_the_listed_one() {
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
}

#[test]
fn each_kind_has_the_amount_that_it_is_capped_by() {
    for kind in Kind::ALL {
        let facts = kind.facts();
        let is_any = facts.bodies.iter().any(|body| body.further == job_kind::Further::Any);
        assert!(is_any || facts.is_fen(facts.amount), "{kind}");
    }
}

/// A screen shows a field by its name alone, so no kind may hide what another shows.
#[test]
fn no_field_is_shown_that_another_kind_hides() {
    for kind in Kind::ALL {
        for name in kind.body_fields() {
            let name = name.rsplit('.').next().unwrap();
            let shown = Kind::ALL.iter().any(|kind| kind.facts().shows(name));
            let hidden = Kind::ALL.iter().any(|kind| kind.facts().hides(name));
            assert!(!(shown && hidden), "{name}");
        }
    }
}

#[test]
fn the_fields_that_decide_are_read_from_a_content() {
    let of = |kind, content: &str| {
        let subject = ContentSummary::of(kind, content);
        (subject.amount.map(Fen::get), subject.next_day)
    };
    let content =
        r#"{"node_id":"1","total_amount":10,"order_amount":"20","arrive_time":"T1","extra":{"total_amount":5}}"#;
    assert_eq!(of(Kind::Transfer, content), (Some(10), true));
    assert_eq!(of(Kind::BillUpload, content), (Some(20), false));
    assert_eq!(of(Kind::Split, content), (Some(10), false));
    assert_eq!(of(Kind::Transfer, r#"{"arrive_time":"T0"}"#), (None, false));
    assert_eq!(of(Kind::Transfer, r#"{"total\u005famount":7,"arrive_time":null}"#), (Some(7), false));
    for unreadable in ["", "[]", "{", r#"{"total_amount":1"#] {
        assert_eq!(of(Kind::Transfer, unreadable), (None, false), "{unreadable}");
    }
}

#[test]
fn a_schema_has_the_fields_and_requirements_of_its_table() {
    let schema = Kind::Transfer.body_schema();
    assert_eq!(schema["properties"]["total_amount"]["anyOf"][0]["minimum"], 1);
    assert_eq!(schema["properties"]["node_id"]["maxLength"], 8);
    assert_eq!(schema["allOf"].as_array().unwrap().len(), 2, "{schema}");
    assert_eq!(schema["additionalProperties"], false);
    let required = ["node_id", "total_amount", "payer_type", "payee_type", "arrive_time"];
    assert_eq!(schema["required"], serde_json::json!(required));
    assert_eq!(Kind::Split.body_schema()["anyOf"].as_array().unwrap().len(), 2);
}
