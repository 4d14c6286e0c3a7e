//! The meanings of YZT's codes: one table. A code that is not in it leaves the job in doubt.
//!
//! The gateway is a Simple Open Platform (SOP 4): its checks run in a fixed order, address, method, app, signature,
//! timestamp, format, rights, token, limiter, and only then the business service sees a request. Source: the
//! framework's `ErrorEnum` and `ApiValidator`, and the pages of docs/gateways/yzt.md for 10000, 40002 and 40004 (read 2026-11-22).

use crate::SubCodes;

/// The meaning of a code for the call that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeClass {
    /// The service took the call and speaks in `data`.
    Done,
    /// Certainly without effect; another try may do.
    NotExecuted,
    /// Certainly without effect; a clock is wrong, or the request was too long under way.
    Clock,
    /// Certainly without effect, until a person mends keys, rights or methods.
    Misconfigured,
    /// Certainly without effect, for good.
    Rejected,
    /// The gateway has the job already.
    Duplicate,
    /// A query's "no such job".
    NotFound,
    /// Anything may have happened.
    InDoubt,
}

/// Where in the gateway a code is raised. Only what comes before the business service can be believed unsigned, and only
/// where the operator says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    BeforeRouting,
    Service,
}

struct Row {
    code: &'static str,
    /// Whole sub-codes, or beginnings of them that end in `*`.
    sub_codes: &'static [&'static str],
    class: CodeClass,
    stage: Stage,
}

const fn before(code: &'static str, class: CodeClass, sub_codes: &'static [&'static str]) -> Row {
    Row { code, sub_codes, class, stage: Stage::BeforeRouting }
}

const fn service(code: &'static str, class: CodeClass, sub_codes: &'static [&'static str]) -> Row {
    Row { code, sub_codes, class, stage: Stage::Service }
}

const TABLE: &[Row] = &[
    before("20000", CodeClass::NotExecuted, &["isv.service-busy", "isp.service-not-available"]),
    service(
        "20000",
        CodeClass::InDoubt,
        &["isp.gateway-response-timeout", "isp.unknown-error", "isp.service-unknown-error", "aop.unknown-error"],
    ),
    before(
        "20001",
        CodeClass::Misconfigured,
        &[
            "aop.invalid-auth-token",
            "aop.auth-token-time-out",
            "aop.invalid-app-auth-token",
            "aop.invalid-app-auth-token-no-api",
            "aop.app-auth-token-time-out",
            "aop.no-product-reg-by-partner",
        ],
    ),
    before(
        "40001",
        CodeClass::Misconfigured,
        &[
            "isv.missing-method",
            "isv.missing-signature",
            "isv.missing-signature-type",
            "isv.missing-signature-key",
            "isv.missing-app-id",
            "isv.missing-timestamp",
            "isv.missing-version",
            "isv.decryption-error-missing-encrypt-type",
        ],
    ),
    before("40002", CodeClass::Clock, &["isv.invalid-timestamp"]),
    before(
        "40002",
        CodeClass::Misconfigured,
        &[
            "isv.invalid-signature",
            "isv.invalid-signature-type",
            "isv.invalid-app-id",
            "isv.invalid-app-key", // YZT's own name for the one above (its pages)
            "isv.invalid-format",
            "isv.invalid-charset",
            "isv.invalid-encrypt*",
            "isv.invalid-digest",
            "isv.invalid-content-type",
            "isv.missing-signature-config",
            "isv.not-support-app-auth",
            "isv.suspected-attack",
            "isv.upload-fail",
            "isv.invalid-file-*",
            "isv.invalid-method", // the gateway's, or a service that has no such method: neither executes anything
        ],
    ),
    // The service's own validation: final for this payload, so never believed unsigned.
    service("40002", CodeClass::Rejected, &["isv.invalid-parameter"]),
    before(
        "40006",
        CodeClass::Misconfigured,
        &[
            "isv.insufficient-isv-permissions",
            "isv.insufficient-user-permissions",
            "isv.route-no-permissions",
            "isv.access-forbidden",
            "isv.ip-forbidden",
        ],
    ),
];

/// Classifies an answer. `taken` is the answer's own `success`, where it has one. The operator's lists extend the
/// table and never overrule it; 40004's sub-codes are the services' own, so a refusal among them must be listed.
pub(super) fn classify(
    code: &str,
    sub_code: Option<&str>,
    taken: Option<bool>,
    listed: &SubCodes,
) -> (CodeClass, Stage) {
    let Some(sub_code) = sub_code else {
        let class = if code == "10000" && taken != Some(false) { CodeClass::Done } else { CodeClass::InDoubt };
        return (class, Stage::Service);
    };
    let fits = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(beginning) => sub_code.starts_with(beginning),
        None => sub_code == *pattern,
    };
    if let Some(row) = TABLE.iter().find(|row| row.code == code && row.sub_codes.iter().any(fits)) {
        return (row.class, row.stage);
    }
    let on = |list: &[String]| list.iter().any(|listed| listed == sub_code);
    let class = if on(&listed.duplicate) {
        CodeClass::Duplicate
    } else if on(&listed.refused) {
        CodeClass::Rejected
    } else if on(&listed.not_executed) {
        CodeClass::NotExecuted
    } else if on(&listed.unseen) {
        CodeClass::NotFound
    } else {
        CodeClass::InDoubt
    };
    (class, Stage::Service)
}
