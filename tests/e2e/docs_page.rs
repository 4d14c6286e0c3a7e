//! A Markdown page: its headings and its fenced blocks.

use std::path::{Path, PathBuf};

/// One fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The first word after the fence.
    pub(crate) language: String,
    /// The rest of that line.
    pub(crate) note: String,
    /// The lines inside.
    pub(crate) text: String,
    /// The line of the opening fence.
    pub(crate) line: usize,
    /// The heading above it, without its signs.
    pub(crate) heading: String,
}

/// One page.
pub(crate) struct Page {
    text: String,
}

impl Page {
    pub(crate) fn project() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// The page at a path of the repository.
    pub(crate) fn read(path: &str) -> Self {
        let text =
            std::fs::read_to_string(Self::project().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self { text }
    }

    pub(crate) fn is_translation(path: &str) -> bool {
        path.starts_with("docs/zh/") || path.ends_with(".zh-CN.md")
    }

    /// All fenced blocks.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut heading = String::new();
        let mut open: Option<Block> = None;
        for (number, line) in self.text.lines().enumerate() {
            match open.take() {
                Some(block) if line.trim_start() == "```" => blocks.push(block),
                Some(mut block) => {
                    block.text += line;
                    block.text.push('\n');
                    open = Some(block);
                }
                None => {
                    if let Some(info) = line.trim_start().strip_prefix("```") {
                        let (language, note) = info.split_once(' ').unwrap_or((info, ""));
                        let (language, note) = (language.to_owned(), note.to_owned());
                        let (line, heading) = (number + 1, heading.clone());
                        open = Some(Block { language, note, text: String::new(), line, heading });
                    } else if line.starts_with('#') {
                        line.trim_start_matches('#').trim().clone_into(&mut heading);
                    }
                }
            }
        }
        assert!(open.is_none(), "a block has no end: {open:?}");
        blocks
    }

    /// The levels of all headings, in order.
    pub(crate) fn outline(&self) -> Vec<usize> {
        let mut is_inside = false;
        let mut levels = Vec::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                is_inside = !is_inside;
            } else if !is_inside && line.starts_with('#') {
                levels.push(line.bytes().take_while(|byte| *byte == b'#').count());
            }
        }
        levels
    }

    fn run(&self, note: &str) -> String {
        let run = |block: &Block| block.language == "sh" && block.note == note;
        self.blocks().into_iter().filter(run).map(|block| block.text).collect()
    }

    /// The commands of all `sh` blocks but those that stop the page's processes.
    pub(crate) fn commands(&self) -> String {
        self.run("")
    }

    /// The commands of the `sh stop` blocks.
    pub(crate) fn commands_to_stop(&self) -> String {
        self.run("stop")
    }
}
