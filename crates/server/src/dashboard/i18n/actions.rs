//! The texts about actions on many jobs.

use bursar_domain::BatchOutcome;

/// The texts of one language.
#[derive(Debug, serde::Serialize)]
#[allow(missing_docs, reason = "a text's name and its English say what it is")]
pub(in crate::dashboard) struct ActionWords {
    pub(in crate::dashboard) no_jobs: &'static str,
    pub(in crate::dashboard) select_job: &'static str,
    pub(in crate::dashboard) select_all: &'static str,
    /// {0} is a number.
    pub(in crate::dashboard) selected: &'static str,
    pub(in crate::dashboard) action: &'static str,
    pub(in crate::dashboard) preview_selected: &'static str,
    pub(in crate::dashboard) preview_review: &'static str,
    pub(in crate::dashboard) preview: &'static str,
    pub(in crate::dashboard) nothing_changed_yet: &'static str,
    pub(in crate::dashboard) none_selected: &'static str,
    /// {0} is a number.
    pub(in crate::dashboard) at_most: &'static str,
    /// {0} is a number.
    pub(in crate::dashboard) only_first: &'static str,
    pub(in crate::dashboard) would_be_done: &'static str,
    pub(in crate::dashboard) would_be_proposed: &'static str,
    pub(in crate::dashboard) would_be_refused: &'static str,
    /// {0} is a number.
    pub(in crate::dashboard) number_of_jobs: &'static str,
    /// {0} is a number.
    pub(in crate::dashboard) without_amount: &'static str,
    pub(in crate::dashboard) effect: &'static str,
    pub(in crate::dashboard) needs_second: &'static str,
    pub(in crate::dashboard) nothing_to_do: &'static str,
    pub(in crate::dashboard) changed_is_refused: &'static str,
    /// {0} is the action, {1} a number.
    pub(in crate::dashboard) do_to: &'static str,
    pub(in crate::dashboard) no_such_job: &'static str,
    pub(in crate::dashboard) claimed: &'static str,
    pub(in crate::dashboard) results: &'static str,
    pub(in crate::dashboard) closing_stops_nothing: &'static str,
    /// {0} of {1}.
    pub(in crate::dashboard) progress: &'static str,
    pub(in crate::dashboard) finished: &'static str,
    pub(in crate::dashboard) back_to_review: &'static str,
    /// In the order of [`BatchOutcome::ALL`].
    outcomes: [&'static str; BatchOutcome::ALL.len()],
}

impl ActionWords {
    pub(in crate::dashboard) fn outcome(&self, outcome: BatchOutcome) -> &'static str {
        let place = BatchOutcome::ALL.iter().position(|known| *known == outcome);
        place.and_then(|place| self.outcomes.get(place).copied()).unwrap_or(outcome.as_str())
    }
}

pub(super) const ENGLISH: ActionWords = ActionWords {
    no_jobs: "No jobs here. Choose another queue or state, or submit a job: bursar submit FILE.",
    select_job: "Select this job",
    select_all: "Select all on this page",
    selected: "{0} selected",
    action: "Action",
    preview_selected: "Preview for selected jobs",
    preview_review: "Preview for all that need review",
    preview: "Preview",
    nothing_changed_yet: "Nothing is changed yet. This is the effect of the action on each job as it is now.",
    none_selected: "No job is selected. Go back, tick the jobs, and choose an action.",
    at_most: "At most {0} jobs can be acted on at once.",
    only_first: "There are more: only the first {0} are listed. Act on these, then repeat.",
    would_be_done: "Will be done",
    would_be_proposed: "Needs a second operator",
    would_be_refused: "Will be refused",
    number_of_jobs: "{0} jobs",
    without_amount: "{0} without a known amount, not in the sum",
    effect: "Effect",
    needs_second: "Is proposed; another operator must approve it",
    nothing_to_do: "The action is refused for every job. Nothing can be done.",
    changed_is_refused: "A job that changes before you confirm is refused and stays as it is.",
    do_to: "{0}: {1} jobs",
    no_such_job: "There is no such job.",
    claimed: "A worker calls the gateway at this moment; try again when it has finished.",
    results: "Results",
    closing_stops_nothing: "Results appear as they are known. Closing this page stops nothing.",
    progress: "{0} of {1}",
    finished: "All jobs have a result.",
    back_to_review: "Back to review",
    outcomes: ["done", "proposed", "refused", "no answer: it may have been done"],
};

pub(super) const CHINESE: ActionWords = ActionWords {
    no_jobs: "没有任务。请选择其他队列或状态，或提交任务：bursar submit FILE。",
    select_job: "选择此任务",
    select_all: "全选本页",
    selected: "已选 {0} 笔",
    action: "操作",
    preview_selected: "预览所选任务",
    preview_review: "预览全部人工复核任务",
    preview: "预览",
    nothing_changed_yet: "尚未做任何更改。以下是按任务当前状态执行该操作的效果。",
    none_selected: "未选择任务。请返回勾选任务并选择操作。",
    at_most: "一次最多操作 {0} 笔任务。",
    only_first: "任务较多，仅列出前 {0} 笔。请先处理这些，再重复操作。",
    would_be_done: "将执行",
    would_be_proposed: "需第二位操作员批准",
    would_be_refused: "将被拒绝",
    number_of_jobs: "{0} 笔",
    without_amount: "{0} 笔金额未知，未计入合计",
    effect: "效果",
    needs_second: "将提交提议，须由另一位操作员批准",
    nothing_to_do: "该操作对所有任务均被拒绝，无可执行项。",
    changed_is_refused: "确认前发生变化的任务会被拒绝，保持原状。",
    do_to: "{0}：{1} 笔",
    no_such_job: "没有该任务。",
    claimed: "工作进程正在调用网关，请在其完成后重试。",
    results: "执行结果",
    closing_stops_nothing: "结果会逐笔显示。关闭本页不会中止操作。",
    progress: "第 {0} / {1} 笔",
    finished: "所有任务均已有结果。",
    back_to_review: "返回人工复核",
    outcomes: ["已执行", "已提议", "已拒绝", "无响应：可能已执行"],
};
