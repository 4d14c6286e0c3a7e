//! Reasons in Chinese, simplified.

use bursar_domain::{Outcome, Reason};

/// Why a job, or a queue, is where it is; what the gateway or an operator said is as it is.
pub(super) fn reason(reason: &Reason) -> String {
    match reason {
        Reason::LastResponse(text) => text.behind(""),
        Reason::Misconfigured(text) => text.behind("配置错误：队列已暂停"),
        Reason::SuspectedMisconfiguration(text) => text.behind("疑似配置错误：队列已暂停"),
        Reason::Rejected(text) => text.behind("被网关拒绝，未执行"),
        Reason::ResendRejected(text) => text.behind("再次发送被拒绝；首次发送结果未知"),
        Reason::ResponseMismatch(text) => text.behind("响应与任务不符"),
        Reason::ImpossibleResponse(text) => text.behind("与此次调用不相符的响应"),
        Reason::UndecidedResponse(text) => text.behind("网关响应码无法判定结果"),
        Reason::NoResponseAndHeld(text) => text.behind("发送后无响应，且该账户设为不自动重发"),
        Reason::ResendsExhausted(text) => text.behind("多次重发相同内容仍无响应"),
        Reason::InDoubtUntilPollDeadline(text) => text.behind("到查询期限结果仍未知"),
        Reason::UnfinishedUntilPollDeadline(text) => text.behind("已受理，但到查询期限仍未完成"),
        Reason::NotFoundAtGateway(text) => text.behind("发送已久，网关仍查无此单"),
        Reason::RetryDeadlinePassed(text) => text.behind("从未执行：已过重试期限"),
        Reason::RetriesExhausted(text) => text.behind("多次发送均未执行"),
        Reason::OrderNotReady(text) => text.behind("未执行：所涉订单未就绪"),
        Reason::StillNotReady(text) => text.behind("从未执行：所涉订单仍未就绪"),
        Reason::CannotBeConfirmed(text) => text.behind("响应称已结束，但未指明任务，也无流水号可查"),
        Reason::AwaitingConfirmation => "待查询确认：响应未指明任务".into(),
        Reason::CannotBeQueried => "已受理；网关不支持查询".into(),
        Reason::FinalStatusChanged => "异常：网关更改了最终结果".into(),
        Reason::LateOutcomeNotFound => "迟到的响应称已结束，而网关查无此单".into(),
        Reason::LateOutcomeUnconfirmed { outcome } => format!("迟到的响应称{}，但无从证实", ended_as(*outcome)),
        Reason::WorkersLost => "处理此任务的工作进程一再丢失".into(),
        Reason::ContentChanged => "Redis 中的内容与受理时不一致，未发送".into(),
        Reason::AboveMaxAmount => "金额超过该账户的 max_amount，未发送".into(),
        Reason::TradeNoOfAnotherJob { trade_no, key } => format!("响应中的交易流水号属于任务 {key}：{trade_no}"),
        Reason::ResponseRepeated { request_id, key: Some(key) } => {
            format!("同一响应先前已收到，属于任务 {key}：{request_id}")
        }
        Reason::ResponseRepeated { request_id, key: None } => format!("同一响应先前已收到，属于此任务：{request_id}"),
        Reason::LostWrites => "Redis 丢失过写入：此任务可能已发送".into(),
        Reason::RestoredFromJournal => "据发送日志恢复：Redis 曾丢失此次发送".into(),
        Reason::RestoredBesideAnotherJob { key } => format!("据发送日志恢复；任务 {key} 针对同一事项"),
        Reason::BusinessKeySent { key } => format!("发送日志记有针对同一事项、使用另一流水号的发送：{key}"),
        Reason::OtherContentInJournal => "发送日志记有同一流水号下内容不同的发送".into(),
        Reason::OtherContentSent => "此流水号曾发送过其他内容，而 Redis 已丢失该记录".into(),
        Reason::OperatorAction { action: _, operator, comment, approved_by: None } => format!("{operator}：{comment}"),
        Reason::OperatorAction { action: _, operator, comment, approved_by: Some(second) } => {
            format!("{operator}（{second} 批准）：{comment}")
        }
        Reason::QueueLostWrites => "Redis 丢失过写入，排队中的任务可能已发送".into(),
        Reason::JournalAhead => "发送日志记有 Redis 已遗忘的发送；请运行 `bursar reconcile --journal`".into(),
        Reason::JournalsReconciled => "已与发送日志对账".into(),
        Reason::AdoptedPause { queue, pause } => format!("{queue} 先前已暂停：{}", self::reason(pause)),
        Reason::Other(other) => other.to_string(),
    }
}

/// The outcome of a late response; one that ends no job has its recorded word.
const fn ended_as(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "已成功",
        Outcome::Failed => "失败",
        Outcome::Refunded => "已退款",
        Outcome::NotExecuted
        | Outcome::NotReady
        | Outcome::Misconfigured
        | Outcome::Rejected
        | Outcome::Accepted
        | Outcome::NoResponse
        | Outcome::NotFound
        | Outcome::Mismatch => outcome.as_str(),
    }
}
