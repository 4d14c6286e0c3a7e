//! A file's code and its prose, line by line: comments and texts are prose, the rest is code. Of a document all is prose.

use crate::tree::File;

/// A file's lines, split.
pub(crate) struct Split {
    /// The code of each line: without comments, with the texts left out.
    pub(crate) code: Vec<String>,
    /// The comments and texts of each line.
    pub(crate) prose: Vec<String>,
}

/// The signs that begin a comment to the end of the line.
fn comment_sign(extension: &str) -> Option<&'static str> {
    match extension {
        "rs" | "java" | "js" | "mjs" | "ts" | "go" | "php" => Some("//"),
        "lua" | "sql" => Some("--"),
        "toml" | "yml" | "yaml" | "sh" | "py" | "" => Some("#"),
        _ => None,
    }
}

impl Split {
    pub(crate) fn of(file: &File) -> Self {
        let lines = file.text.lines().count();
        let mut split = Self { code: vec![String::new(); lines], prose: vec![String::new(); lines] };
        match file.extension() {
            "rs" | "lua" => split.scan(&file.text, file.extension() == "rs"),
            _ => split.prose = file.text.lines().map(str::to_owned).collect(),
        }
        split
    }

    /// Takes the text apart, character by character.
    fn scan(&mut self, text: &str, is_rust: bool) {
        let characters: Vec<char> = text.chars().collect();
        let (mut at, mut line) = (0, 0);
        while at < characters.len() {
            let rest = &characters[at..];
            let taken = if begins(rest, if is_rust { "//" } else { "--" }) {
                Some(rest.iter().position(|character| *character == '\n').unwrap_or(rest.len()))
            } else {
                text_length(rest, at.checked_sub(1).map(|before| characters[before]), is_rust)
            };
            for character in &rest[..taken.unwrap_or(1)] {
                match (character, taken) {
                    ('\n', _) => line += 1,
                    (character, Some(_)) => self.prose[line].push(*character),
                    (character, None) => self.code[line].push(*character),
                }
            }
            if taken.is_some() && line < self.code.len() {
                self.code[line].push(' ');
                self.prose[line].push(' ');
            }
            at += taken.unwrap_or(1);
        }
    }
}

fn begins(rest: &[char], sign: &str) -> bool {
    sign.chars().enumerate().all(|(at, character)| rest.get(at) == Some(&character))
}

/// The length of the text that begins here, with its quotes.
fn text_length(rest: &[char], before: Option<char>, is_rust: bool) -> Option<usize> {
    let is_apart = before.is_none_or(|before| !before.is_alphanumeric() && before != '_');
    match rest[0] {
        '"' => Some(quoted(rest, '"')),
        '\'' if !is_rust => Some(quoted(rest, '\'')),
        // A character; a lifetime has no second quote there.
        '\'' if rest.get(1) == Some(&'\\') => Some(quoted(rest, '\'')),
        '\'' if rest.get(2) == Some(&'\'') => Some(3),
        'r' if is_rust && is_apart => {
            let hashes = rest[1..].iter().take_while(|character| **character == '#').count();
            if rest.get(1 + hashes) != Some(&'"') {
                return None;
            }
            let end = format!("\"{}", "#".repeat(hashes));
            let begin = 2 + hashes;
            let length = (begin..rest.len()).find(|at| begins(&rest[*at..], &end)).unwrap_or(rest.len());
            Some((length + end.len()).min(rest.len()))
        }
        _ => None,
    }
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// The comments of a file that stand on lines of their own, without their signs.
pub(crate) fn comments(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let sign = comment_sign(file.extension());
    file.text.lines().enumerate().filter_map(move |(number, line)| {
        let comment = line.trim_start().strip_prefix(sign?)?;
        Some((number + 1, comment.trim_start_matches(['/', '!', '-', '#']).trim()))
    })
}

#[test]
fn code_and_prose_are_split() {
    let text = "let told = \"lane // \\\" x\"; // stands\nlet c = 'a'; fn f<'a>(r: &'a str) { r#\"nobody\"# }\n";
    let split = Split::of(&File { path: "x.rs".into(), text: text.into() });
    assert_eq!(split.code[0].split_whitespace().collect::<Vec<_>>(), ["let", "told", "=", ";"]);
    assert!(split.prose[0].contains("lane") && split.prose[0].contains("stands"));
    assert!(split.code[1].contains("fn f<'a>(r: &'a str)") && !split.code[1].contains("nobody"));
    assert!(split.prose[1].contains("nobody"));
}
