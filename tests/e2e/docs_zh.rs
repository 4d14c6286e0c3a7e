//! The Chinese pages keep step with the English ones: the same headings by level, and the same commands and samples.

use crate::docs_page::{Block, Page};

/// Each English page with its translation.
const PAIRS: &[(&str, &str)] = &[
    ("README.md", "README.zh-CN.md"),
    ("docs/getting-started.md", "docs/zh/getting-started.md"),
    ("docs/concepts.md", "docs/zh/concepts.md"),
    ("docs/operations.md", "docs/zh/operations.md"),
    ("deploy/RUNBOOK.md", "docs/zh/runbook.md"),
];

/// Diagrams are translated; all other blocks are the same in both languages. A shell's comments and a reason may be translated, too,
/// so they are left out.
fn comparable(page: &Page) -> Vec<(String, String, String)> {
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    let without_texts = |text: &str| -> String {
        let lines = text.lines().filter(|line| !is_comment(line)).map(|line| {
            let line = line.split(" # ").next().unwrap_or(line).trim_end();
            line.split_once("--reason").map_or(line, |(command, _)| command)
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let compared = |block: Block| match block.language.as_str() {
        "text" | "mermaid" => (block.language, block.note, String::new()),
        _ => (block.language.clone(), block.note, without_texts(&block.text)),
    };
    page.blocks().into_iter().map(compared).collect()
}

#[test]
fn headings_and_commands_are_the_english_ones() {
    for (english, chinese) in PAIRS {
        let (english, chinese) = ((english, Page::read(english)), (chinese, Page::read(chinese)));
        assert_eq!(english.1.outline(), chinese.1.outline(), "the headings of {} and {}", english.0, chinese.0);
        let (expected, found) = (comparable(&english.1), comparable(&chinese.1));
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(expected, found, "a block of {}", chinese.0);
        }
        assert_eq!(expected.len(), found.len(), "the blocks of {}", chinese.0);
    }
}
