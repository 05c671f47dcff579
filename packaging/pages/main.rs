//! Writes the manual page and the shells' completions, from the definition of the options.
//!
//! usage: write-pages FOLDER

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;
use kernel_and_user_map::options::Options;

const NAME: &str = "kernel_and_user_map";

/// No hyphens in words, and no gaps between them.
const LAYOUT: &str = ".nh
.ad l
";

/// clap's has an entry for each option.
const SYNOPSIS: &str = ".SH SYNOPSIS
\\fBkernel_and_user_map\\fR [\\fIOPTION\\fR]... [\\fB\\-\\-\\fR \\fICOMMAND\\fR...]
";

/// What the definition of the options does not know: from EXIT STATUS on.
const OTHER_SECTIONS: &str = include_str!("manual.8");

fn main() -> Result<()> {
    let folder = env::args_os().nth(1).context("usage: write-pages FOLDER")?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Options::command(), NAME, folder)
            .with_context(|| format!("could not write the completions for {shell}"))?;
    }
    fs::write(folder.join(NAME).with_extension("8"), manual()?)
        .context("could not write the manual page")
}

/// The manual page, for section 8: what root runs.
fn manual() -> Result<String> {
    let man = Man::new(Options::command())
        .title(NAME.to_uppercase())
        .section("8")
        .source(format!("{NAME} {}", env!("CARGO_PKG_VERSION")))
        .manual("System administration");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    page.extend(LAYOUT.bytes());
    man.render_name_section(&mut page)?;
    page.extend(SYNOPSIS.bytes());
    man.render_description_section(&mut page)?;
    let mut options = Vec::new();
    man.render_options_section(&mut options)?;
    Ok(String::from_utf8(page)? + &arranged(&String::from_utf8(options)?) + OTHER_SECTIONS)
}

/// clap makes a section of each heading among the options, in capitals; these are long. And it
/// gives each possible value a paragraph, far to the right.
fn arranged(options: &str) -> String {
    let heading = |line: &str| {
        let text = line.strip_prefix(".SH \"")?;
        let (first, others) = text.split_at_checked(1)?;
        Some(format!(".SS \"{first}{}", others.to_lowercase()))
    };
    let line = |line: &str| heading(line).unwrap_or_else(|| line.to_owned()) + "\n";
    let options: String = options.lines().map(line).collect();
    options
        .replace("\n.br\n\n.br\n", "\n.br\n")
        .replace("\n.RS 14\n", "\n.RS\n.PD 0\n")
        .replace("\n.RE\n", "\n.PD\n.RE\n")
}
