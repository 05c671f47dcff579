//! A Markdown document as the blocks that matter to the test.

#[derive(Debug, PartialEq, Eq)]
pub enum Block<'a> {
    Heading,
    Patch(&'a str),
    /// Of a workflow, as YAML.
    Steps(&'a str),
    Run {
        commands: &'a str,
        /// What the document shows as the output.
        shown: Option<&'a str>,
        /// The rest of the line `<!-- varies: … -->` before that.
        varies: &'a str,
        /// The rest of the line `<!-- meanwhile: … -->` before the commands.
        meanwhile: Option<&'a str>,
    },
}

/// The blocks, each with the number of its first line.
///
/// # Panics
///
/// At a block that a test would overlook: without an end, in another language, or with
/// output that belongs to no command.
pub fn blocks(text: &str) -> Vec<(usize, Block<'_>)> {
    let mut blocks = Vec::new();
    let (mut varies, mut meanwhile) = (None, None);
    let mut rest = text;
    let mut number = 0;
    while let Some((line, after)) = rest.split_once('\n') {
        (rest, number) = (after, number + 1);
        if let Some(language) = line.strip_prefix("```") {
            let end = rest.find("\n```\n").expect("a block ends") + 1;
            let (body, after) = rest.split_at(end);
            let first = number + 1;
            rest = &after[4..];
            number += body.lines().count() + 1;
            match (language, blocks.last_mut()) {
                ("sh", _) => {
                    let (shown, varies, meanwhile) = (None, "", meanwhile.take());
                    blocks.push((first, Block::Run { commands: body, shown, varies, meanwhile }));
                }
                ("yaml", _) => blocks.push((first, Block::Steps(body))),
                ("diff", _) => blocks.push((first, Block::Patch(body))),
                ("text", Some((_, Block::Run { shown: shown @ None, varies: varying, .. }))) => {
                    *shown = Some(body);
                    *varying = varies.take().unwrap_or_default();
                }
                _ => panic!("{number}: the test knows no such block here: {line}"),
            }
        } else if let Some(words) = line.strip_prefix("<!-- varies: ") {
            varies = Some(words.strip_suffix(" -->").expect("the comment ends"));
        } else if let Some(commands) = line.strip_prefix("<!-- meanwhile: ") {
            meanwhile = Some(commands.strip_suffix(" -->").expect("the comment ends"));
        } else if line.starts_with('#') {
            blocks.push((number, Block::Heading));
        }
        assert!(!line.contains("```") || line.starts_with("```"), "{number}: an indented block");
    }
    assert_eq!(varies, None, "words that vary stand before a text block");
    assert_eq!(meanwhile, None, "what happens meanwhile stands before commands");
    blocks
}

/// The words in code style of each paragraph that tells where something stands, each with the
/// number of its first line.
pub fn places(text: &str) -> Vec<(usize, Vec<&str>)> {
    let mut places = Vec::new();
    let mut number = 1;
    for paragraph in text.split("\n\n") {
        if paragraph.starts_with("**Where.**") {
            places.push((number, paragraph.split('`').skip(1).step_by(2).collect()));
        }
        number += paragraph.matches('\n').count() + 2;
    }
    places
}

#[test]
fn a_document_is_its_blocks_with_their_lines() {
    let (commands, shown, varies) = ("ls\n", Some("x\ny\n"), "1 \"2 3\"");
    let run = Block::Run { commands, shown, varies, meanwhile: None };
    let text =
        "# A\n```sh\nls\n```\n\n<!-- varies: 1 \"2 3\" -->\n```text\nx\ny\n```\n```diff\n-a\n```\n";
    assert_eq!(blocks(text), [(1, Block::Heading), (3, run), (12, Block::Patch("-a\n")),]);
}

#[test]
fn a_place_is_what_a_paragraph_names() {
    let text = "# A\n\n`x`\ny\n\n**Where.** `read` in\n`src/main.rs`.\n";
    assert_eq!(places(text), [(6, vec!["read", "src/main.rs"])]);
}
