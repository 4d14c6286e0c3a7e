//! `bursar completions SHELL` prints the completions of a shell, and `bursar man --dir DIR` writes the manual pages: both from the
//! definition that the help is printed from.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::{Context, Exit, Failure};
use crate::output::line;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar completions zsh > ~/.zfunc/_bursar\n  bursar completions bash > /etc/bash_completion.d/bursar\n  bursar completions fish > ~/.config/fish/completions/bursar.fish"
)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar man --dir /usr/local/share/man/man1\n  bursar man | man -l -")]
pub(crate) struct Man {
    /// Write a page for each command into this folder. Left out: print the page of bursar itself.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn completions(arguments: &Completions) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "bursar", &mut text);
    std::io::stdout().lock().write_all(&text)?;
    Ok(Exit::Done)
}

pub(crate) fn man(arguments: &Man) -> Result<Exit, Failure> {
    let Some(folder) = &arguments.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        std::io::stdout().lock().write_all(&page)?;
        return Ok(Exit::Done);
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.context(format_args!("cannot write the pages to {}", folder.display()))?;
    line(format_args!("the pages are in {}", folder.display()))?;
    Ok(Exit::Done)
}
