//! Every fault by name, with its effect on a request: its execution, and the answer that the client gets.

use serde::{Deserialize, Serialize};

/// One way for a gateway to misbehave. Written in kebab-case: `lost-answer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The connection is reset; nothing was executed.
    ResetBefore,
    /// Silence, then the connection is closed; nothing was executed.
    HangBefore,
    /// HTTP 502 with a page of HTML; nothing was executed.
    BadGatewayBefore,
    /// HTTP 307 to another path of the simulator; nothing was executed, and following it is a violation.
    Redirect,
    /// `isv.service-busy` (BeingFi: a limiter's 9999); nothing was executed.
    Busy,
    /// `isv.invalid-timestamp` (BeingFi: code 11); nothing was executed.
    InvalidTimestamp,
    /// `isp.unknown-error` (BeingFi: code 10); nothing was executed.
    UnknownErrorBefore,
    /// A business error that the pages name (`isv.name-error`; BeingFi: no such order); nothing was executed.
    Refused,
    /// A business error with a code that no document has; nothing was executed.
    UnknownRefusal,
    /// The order is not paid yet: BeingFi's answer to a division that comes too early; nothing was executed.
    NotPaid,
    /// The account was closed or its rights were taken away (`isv.insufficient-isv-permissions`; BeingFi: 商户信息不存在或商户状态不可用);
    /// nothing was executed.
    AccountDisabled,
    /// A division without receivers, as Jeepay makes it when no receiver is of the order's channel: it is executed,
    /// which closes the order, and answered as done without a channel number. All other requests are executed and
    /// answered normally.
    NobodyPaid,
    /// A division whose channel call broke off, as Jeepay reports it: executed, and answered as failed without a code.
    /// All other requests are executed and answered normally.
    FailedWithoutCode,
    /// Executed, then the connection is reset.
    LostAnswer,
    /// Executed, then the connection is closed in order, without an answer.
    ClosedWithoutAnswer,
    /// No answer at first; later executed, even if the client has gone, and answered.
    LateExecution,
    /// Executed, then silence, then the connection is closed.
    HangAfter,
    /// Executed, then HTTP 502 with a page of HTML.
    BadGatewayAfter,
    /// Executed, then HTTP 200 with a page of HTML.
    Html,
    /// Executed, then the first half of the answer as a whole body.
    TruncatedJson,
    /// Executed, then half of the announced body, then the connection is closed.
    CutBody,
    /// Executed, then a good answer under a signature that the platform made over another one.
    BadSignature,
    /// Executed, then a good answer without a signature.
    MissingSignature,
    /// Executed, then answered with an unsigned `isv.service-busy`, as an attacker on the path could (BeingFi: code
    /// 10).
    ForgedBusy,
    /// Executed, then `isp.gateway-response-timeout` (BeingFi: 9999 系统异常).
    GatewayTimeout,
    /// Executed, then `isp.unknown-error` (BeingFi: code 10).
    UnknownErrorAfter,
    /// Executed, then an answer about another key, where the answer names one.
    OtherKey,
    /// Executed, then an answer with another amount, where the answer names one.
    OtherAmount,
    /// Executed, then answered with a status that no document has, if the answer has one.
    UnknownStatus,
    /// Executed, then answered validly in an unusual shape: spaces, `sign` first, an unknown field that contains
    /// `"sign"`.
    OddShape,
    /// Executed, then a valid answer a few bytes at a time.
    Trickle,
    /// Executed, then a valid answer after 8 MiB of white space.
    Oversized,
}

/// The time at which money moves under a fault, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Execution {
    Never,
    AtOnce,
    Late,
}

/// The client's view of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Reset,
    Close,
    Silence,
    BadGateway,
    Html,
    Redirect,
    /// The gateway's own words for something that went wrong.
    Error(Trouble),
    /// The same without the platform's signature.
    Forged(Trouble),
    /// The answer, with other content.
    Altered(Alteration),
    /// The answer, in another dress.
    Dressed(Dress),
    /// The answer, written out in another way.
    Sent(Delivery),
}

/// The errors that a gateway can report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Busy,
    InvalidTimestamp,
    Unknown,
    Timeout,
    Refused,
    UnknownRefusal,
    NotPaid,
    AccountDisabled,
}

/// The false statements that an answer can contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alteration {
    Key,
    Amount,
    Status,
    NobodyPaid,
    FailedWithoutCode,
}

/// The composition and signature of an answer's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dress {
    Plain,
    Odd,
    WronglySigned,
    Unsigned,
}

/// The delivery of an answer's text to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Half,
    Cut,
    Trickled,
    Padded,
}

impl Fault {
    /// The execution of a request under this fault.
    pub(crate) fn execution(self) -> Execution {
        match self {
            Self::ResetBefore
            | Self::HangBefore
            | Self::BadGatewayBefore
            | Self::Redirect
            | Self::Busy
            | Self::InvalidTimestamp
            | Self::UnknownErrorBefore
            | Self::Refused
            | Self::UnknownRefusal
            | Self::NotPaid
            | Self::AccountDisabled => Execution::Never,
            Self::LateExecution => Execution::Late,
            Self::NobodyPaid
            | Self::FailedWithoutCode
            | Self::LostAnswer
            | Self::ClosedWithoutAnswer
            | Self::HangAfter
            | Self::BadGatewayAfter
            | Self::Html
            | Self::TruncatedJson
            | Self::CutBody
            | Self::BadSignature
            | Self::MissingSignature
            | Self::ForgedBusy
            | Self::GatewayTimeout
            | Self::UnknownErrorAfter
            | Self::OtherKey
            | Self::OtherAmount
            | Self::UnknownStatus
            | Self::OddShape
            | Self::Trickle
            | Self::Oversized => Execution::AtOnce,
        }
    }

    /// The client's view of a request under this fault.
    pub(crate) fn shown(self) -> Shown {
        match self {
            Self::ResetBefore | Self::LostAnswer => Shown::Reset,
            Self::ClosedWithoutAnswer => Shown::Close,
            Self::HangBefore | Self::HangAfter => Shown::Silence,
            Self::BadGatewayBefore | Self::BadGatewayAfter => Shown::BadGateway,
            Self::Html => Shown::Html,
            Self::Redirect => Shown::Redirect,
            Self::Busy => Shown::Error(Trouble::Busy),
            Self::InvalidTimestamp => Shown::Error(Trouble::InvalidTimestamp),
            Self::UnknownErrorBefore | Self::UnknownErrorAfter => Shown::Error(Trouble::Unknown),
            Self::Refused => Shown::Error(Trouble::Refused),
            Self::UnknownRefusal => Shown::Error(Trouble::UnknownRefusal),
            Self::NotPaid => Shown::Error(Trouble::NotPaid),
            Self::ForgedBusy => Shown::Forged(Trouble::Busy),
            Self::AccountDisabled => Shown::Error(Trouble::AccountDisabled),
            Self::NobodyPaid => Shown::Altered(Alteration::NobodyPaid),
            Self::FailedWithoutCode => Shown::Altered(Alteration::FailedWithoutCode),
            Self::GatewayTimeout => Shown::Error(Trouble::Timeout),
            Self::OtherKey => Shown::Altered(Alteration::Key),
            Self::OtherAmount => Shown::Altered(Alteration::Amount),
            Self::UnknownStatus => Shown::Altered(Alteration::Status),
            Self::OddShape => Shown::Dressed(Dress::Odd),
            Self::BadSignature => Shown::Dressed(Dress::WronglySigned),
            Self::MissingSignature => Shown::Dressed(Dress::Unsigned),
            Self::LateExecution => Shown::Sent(Delivery::Whole),
            Self::TruncatedJson => Shown::Sent(Delivery::Half),
            Self::CutBody => Shown::Sent(Delivery::Cut),
            Self::Trickle => Shown::Sent(Delivery::Trickled),
            Self::Oversized => Shown::Sent(Delivery::Padded),
        }
    }
}
