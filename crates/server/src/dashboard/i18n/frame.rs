//! The texts of the frame of all pages: the zone, and the keys.

/// The texts of one language.
#[derive(Debug, serde::Serialize)]
#[allow(missing_docs, reason = "a text's name and its English say what it is")]
pub(in crate::dashboard) struct FrameWords {
    pub(in crate::dashboard) times_in: &'static str,
    pub(in crate::dashboard) browser_zone: &'static str,
    pub(in crate::dashboard) without_script: &'static str,
    pub(in crate::dashboard) keys: &'static str,
    pub(in crate::dashboard) go_to: &'static str,
    pub(in crate::dashboard) search: &'static str,
    pub(in crate::dashboard) next_row: &'static str,
    pub(in crate::dashboard) previous_row: &'static str,
    pub(in crate::dashboard) open_row: &'static str,
    pub(in crate::dashboard) tick_row: &'static str,
    pub(in crate::dashboard) this_help: &'static str,
    pub(in crate::dashboard) close: &'static str,
    pub(in crate::dashboard) not_found_title: &'static str,
    /// {0} is a number, {1} a worker.
    pub(in crate::dashboard) claim: &'static str,
    pub(in crate::dashboard) no_such_page: &'static str,
    pub(in crate::dashboard) no_such_page_means: &'static str,
}

pub(super) const ENGLISH: FrameWords = FrameWords {
    times_in: "Times are in",
    browser_zone: "Browser's time zone",
    without_script: "Without JavaScript, times are in UTC.",
    keys: "Keyboard shortcuts",
    go_to: "Go to",
    search: "Search",
    next_row: "Next row",
    previous_row: "Previous row",
    open_row: "Open the row",
    tick_row: "Select the row",
    this_help: "This help",
    close: "Close",
    not_found_title: "Not found",
    claim: "Claim {0}, by worker {1}",
    no_such_page: "Page not found",
    no_such_page_means: "There is no page at this address. It may have moved, or the link is incomplete.",
};

pub(super) const CHINESE: FrameWords = FrameWords {
    times_in: "时间时区",
    browser_zone: "浏览器时区",
    without_script: "未启用 JavaScript 时，时间以 UTC 显示。",
    keys: "键盘快捷键",
    go_to: "前往",
    search: "搜索",
    next_row: "下一行",
    previous_row: "上一行",
    open_row: "打开该行",
    tick_row: "选择该行",
    this_help: "显示本帮助",
    close: "关闭",
    not_found_title: "未找到",
    claim: "第 {0} 次认领，工作进程 {1}",
    no_such_page: "页面不存在",
    no_such_page_means: "该地址没有页面，可能已移动，或链接不完整。",
};
