//! The texts of the pages about workers and days.

use bursar_domain::{OpenPlace, WorkerStatus};

/// The texts of one language.
#[derive(Debug, serde::Serialize)]
#[allow(missing_docs, reason = "a text's name and its English say what it is")]
pub(in crate::dashboard) struct ReportWords {
    pub(in crate::dashboard) workers: &'static str,
    pub(in crate::dashboard) workers_note: &'static str,
    pub(in crate::dashboard) no_worker: &'static str,
    pub(in crate::dashboard) worker: &'static str,
    pub(in crate::dashboard) host: &'static str,
    pub(in crate::dashboard) build: &'static str,
    pub(in crate::dashboard) since: &'static str,
    pub(in crate::dashboard) seen: &'static str,
    pub(in crate::dashboard) calls: &'static str,
    pub(in crate::dashboard) last_claim: &'static str,
    pub(in crate::dashboard) last_error: &'static str,
    pub(in crate::dashboard) sends_nothing: &'static str,
    /// {0} is a number.
    pub(in crate::dashboard) more_queues: &'static str,
    statuses: [&'static str; WorkerStatus::ALL.len()],
    pub(in crate::dashboard) unserved: &'static str,
    /// {0} is a span of time.
    pub(in crate::dashboard) unserved_since: &'static str,
    /// {0} is a span of time.
    pub(in crate::dashboard) overdue_since: &'static str,
    pub(in crate::dashboard) attention_means: &'static str,
    pub(in crate::dashboard) report: &'static str,
    pub(in crate::dashboard) report_note: &'static str,
    pub(in crate::dashboard) day: &'static str,
    /// {0} is a time zone.
    pub(in crate::dashboard) time_zone: &'static str,
    pub(in crate::dashboard) not_over: &'static str,
    pub(in crate::dashboard) kind: &'static str,
    pub(in crate::dashboard) count: &'static str,
    pub(in crate::dashboard) nothing_ended: &'static str,
    pub(in crate::dashboard) open_now: &'static str,
    pub(in crate::dashboard) nothing_open: &'static str,
    places: [&'static str; OpenPlace::ALL.len()],
    pub(in crate::dashboard) reconciled: &'static str,
    pub(in crate::dashboard) not_reconciled: &'static str,
    /// {0} jobs, {1} differ, {2} without a response, {3} cannot be queried, {4} unreadable.
    pub(in crate::dashboard) reconciled_found: &'static str,
    pub(in crate::dashboard) csv: &'static str,
    pub(in crate::dashboard) sums_exact: &'static str,
    pub(in crate::dashboard) sums_missing: &'static str,
}

impl ReportWords {
    pub(in crate::dashboard) const fn status(&self, status: WorkerStatus) -> &'static str {
        self.statuses[status as usize]
    }

    pub(in crate::dashboard) const fn place(&self, place: OpenPlace) -> &'static str {
        self.places[place as usize]
    }
}

pub(super) static ENGLISH: ReportWords = ReportWords {
    workers: "Workers",
    workers_note: "A worker writes a heartbeat every 5 seconds. It is gone when there was none for 20 seconds, and is shown for ten more minutes.",
    no_worker: "No worker is alive: jobs are accepted and wait. Start `bursar worker`, or find out why it ended: its last log lines say so.",
    worker: "Worker",
    host: "Host",
    build: "Version",
    since: "Since",
    seen: "Last heartbeat",
    calls: "Calls",
    last_claim: "Last claim",
    last_error: "Last error",
    sends_nothing: "sends nothing",
    more_queues: "and {0} more",
    statuses: ["alive", "draining", "gone"],
    unserved: "no worker yet",
    unserved_since: "no worker for {0}",
    overdue_since: "overdue for {0}",
    attention_means: "Jobs wait longer than they should: see the page of workers.",
    report: "Day report",
    report_note: "A job is counted on the day on which it reached its present final state. Sums are exact.",
    day: "Day",
    time_zone: "in {0}",
    not_over: "The day is not over: the numbers still grow.",
    kind: "Kind",
    count: "Jobs",
    nothing_ended: "No job ended on this day.",
    open_now: "Open now",
    nothing_open: "No job is open.",
    places: ["to send", "awaiting status", "needs review"],
    reconciled: "Reconciliation",
    not_reconciled: "Not reconciled yet: run `bursar reconcile` for this day.",
    reconciled_found: "{0} jobs compared: {1} differ, {2} without a response, {3} cannot be queried, {4} unreadable.",
    csv: "Download as CSV",
    sums_exact: "Exact sums of all jobs that ended in this time.",
    sums_missing: "Some counts of this time could not be written, so no sum is shown. Add up what `bursar export` prints.",
};

pub(super) static CHINESE: ReportWords = ReportWords {
    workers: "工作进程",
    workers_note: "工作进程每 5 秒上报一次心跳。超过 20 秒没有心跳即视为失联，之后再显示十分钟。",
    no_worker: "没有存活的工作进程：任务照常受理，但都在等待。请启动 `bursar worker`，或查看其最后的日志找出退出原因。",
    worker: "工作进程",
    host: "主机",
    build: "版本",
    since: "启动于",
    seen: "最近心跳",
    calls: "进行中的调用",
    last_claim: "最近领取",
    last_error: "最近错误",
    sends_nothing: "不发送",
    more_queues: "等 {0} 个",
    statuses: ["存活", "正在退出", "失联"],
    unserved: "尚无工作进程",
    unserved_since: "已 {0} 无工作进程",
    overdue_since: "已逾期 {0}",
    attention_means: "任务等待过久：请查看“工作进程”页面。",
    report: "日报",
    report_note: "任务计入其到达当前最终状态的那一天。合计精确。",
    day: "日期",
    time_zone: "时区 {0}",
    not_over: "当天尚未结束：数字仍会变化。",
    kind: "类型",
    count: "笔数",
    nothing_ended: "当天没有任务结束。",
    open_now: "当前未结束",
    nothing_open: "没有未结束的任务。",
    places: ["待发送", "待查询", "人工复核"],
    reconciled: "对账",
    not_reconciled: "尚未对账：请对这一天运行 `bursar reconcile`。",
    reconciled_found: "已核对 {0} 个任务：{1} 个不一致，{2} 个无响应，{3} 个无法查询，{4} 个无法读取。",
    csv: "下载 CSV",
    sums_exact: "该时段内所有已结束任务的精确合计。",
    sums_missing: "该时段的部分计数未能写入，因此不显示合计。请以 `bursar export` 的输出求和。",
};
