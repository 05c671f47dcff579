use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event as Xml;

use super::*;
use crate::process::loss::Loss;
use crate::process::record::{ProcessId, Program, Usage};
use crate::process::tree::{Node, Run};
use crate::process::wait_status::Outcome;
use crate::process::wall_clock::WallClock;
use crate::report::Begin;
use crate::report::charset::Charset;
use crate::report::closing_account::ClosingAccount;

/// Processes in the order of their starts: each with its parent, its start and its end.
pub fn tree(end: u64, spans: &[(Option<usize>, u64, u64)]) -> Tree {
    let mut nodes: Vec<Node> = Vec::with_capacity(spans.len());
    for (index, &(parent, start_time, end)) in spans.iter().enumerate() {
        if let Some(parent) = parent {
            nodes[parent].children.push(index);
        }
        nodes.push(Node {
            process: ProcessId { pid: index as u32 + 1, start_time },
            parent,
            children: Vec::new(),
            runs: vec![run(start_time, &["cc"])],
            end: Some(end),
            outcome: Some(Outcome::Exited(0)),
            usage: Some(Usage { max_rss_kib: Some(2048), ..Usage::default() }),
            cpu_ns: Some(0),
            subtree_cpu_ns: 0,
        });
    }
    Tree { nodes, begin: 0, end, forgotten: 0 }
}

fn run(begin: u64, argv: &[&str]) -> Run {
    let bytes: Vec<u8> = argv.iter().flat_map(|arg| arg.bytes().chain([0])).collect();
    let size = bytes.len();
    let comm = argv[0].bytes().take(15).collect::<Vec<_>>().into();
    let program = Some(Program::new(None, bytes, size));
    Run { begin, forked: false, comm, program: program.map(Into::into), uid: 7, user: None }
}

pub fn fail(tree: &mut Tree, index: usize) {
    tree.nodes[index].outcome = Some(Outcome::Exited(3));
}

fn account(loss: Loss) -> ClosingAccount {
    ClosingAccount { begin: 0, end: 0, loss, ..ClosingAccount::default() }
}

fn drawn_with(tree: &Tree, loss: Loss) -> String {
    let begin = Begin { host_name: "<host>".into(), ..Begin::default() };
    let watched = Watched { begin: &begin, account: &account(loss), cpus: 2 };
    let mut bytes = Vec::new();
    let mut out = Output {
        to: &mut bytes,
        clock: WallClock::default(),
        window: None,
        charset: Charset::Utf8,
    };
    Svg.write(&mut out, tree, &watched).expect("memory");
    String::from_utf8(bytes).expect("UTF-8")
}

fn drawn(tree: &Tree) -> String {
    drawn_with(tree, Loss::default())
}

/// The texts in a picture, each with the element it is in. It must be well-formed.
fn texts(svg: &str) -> Vec<(String, String)> {
    let is_char = |c: char| matches!(c, '\n' | ' '..='\u{fffd}' | '\u{10000}'..);
    assert!(svg.chars().all(is_char), "XML 1.0 has no such character");
    let mut reader = Reader::from_str(svg);
    let mut open: Vec<String> = Vec::new();
    let mut texts: Vec<(String, String)> = Vec::new();
    loop {
        match reader.read_event().expect("it is well-formed") {
            Xml::Start(start) => {
                for attribute in start.attributes() {
                    let name = attribute.expect("it is well-formed").key;
                    let is_active = name.as_ref().starts_with(b"on");
                    assert!(!is_active && !name.as_ref().ends_with(b"href"), "{name:?}");
                }
                open.push(String::from_utf8_lossy(start.name().as_ref()).into_owned());
                texts.push((open[open.len() - 1].clone(), String::new()));
            }
            Xml::End(_) => drop(open.pop()),
            Xml::Text(text) => {
                let text = text.decode().expect("UTF-8");
                texts.last_mut().expect("within an element").1.push_str(&text);
            }
            Xml::GeneralRef(name) => {
                let name = format!("&{};", name.decode().expect("UTF-8"));
                let text = quick_xml::escape::unescape(&name).expect("it is known").into_owned();
                texts.last_mut().expect("within an element").1.push_str(&text);
            }
            Xml::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty());
    let style = texts.iter().find(|(element, _)| element == "style").expect("a style");
    assert!(!style.1.contains("url(") && !style.1.contains("@import"), "it refers to nothing");
    texts
}

#[test]
fn a_title_tells_all_that_is_known() {
    let mut tree =
        tree(20_000_000_000, &[(None, 0, 20_000_000_000), (Some(0), 1_500_000_000, 4_000_000_000)]);
    tree.nodes[0].subtree_cpu_ns = 3_000_000_000;
    tree.nodes[1].runs =
        vec![run(1_500_000_000, &["sh", "-c", "a b"]), run(2_000_000_000, &["/bin/a", "b"])];
    fail(&mut tree, 1);
    let svg = drawn(&tree);
    let texts = texts(&svg);
    let titles: Vec<&str> = texts
        .iter()
        .filter(|(element, _)| element == "title")
        .map(|(_, text)| text.as_str())
        .collect();
    let [.., make, a] = titles[..] else { panic!("{titles:?}") };
    assert_eq!(
        make,
        "cc\npid 1, uid 7\nits start was not seen\n\
         CPU 0 µs, with all below 3.0 s, memory 2.0 MiB\nexit code 0"
    );
    assert_eq!(
        a,
        "/bin/a b\nbefore: sh -c 'a b'\npid 2, uid 7\nstarted at 1.5 s, ran for 2.5 s\n\
         CPU 0 µs, memory 2.0 MiB\nfailed: exit code 3"
    );
    // Two slices of one bar, from a 13th of the picture on.
    assert!(svg.contains(r#"d="M92 "#) && svg.contains(r#"d="M116 "#), "{svg}");
}

#[test]
fn hostile_words_stay_words() {
    let mut tree = tree(1_000, &[(None, 0, 1_000), (Some(0), 10, 1_000), (Some(0), 500, 501)]);
    let script = "</title><script>alert(\"&'\")</script>]]>";
    tree.nodes[0].runs = vec![run(0, &[script, "\u{1b}[2J\u{9b}\u{ffff}\u{202e}", "שלום 日本"])];
    tree.nodes[1].runs = vec![run(0, &["\u{1}", "]]>", "…"])];
    tree.nodes[1].runs[0].user = Some("<b>".into());
    tree.nodes[2].runs = vec![Run { comm: b"\xff<x>"[..].into(), program: None, ..run(0, &["x"]) }];
    let svg = drawn(&tree);
    let texts = texts(&svg);
    assert!(texts.iter().all(|(element, _)| element != "script"), "{svg}");
    let has = |part: &str| texts.iter().any(|(_, text)| text.contains(part));
    assert!(has("<script>alert"), "{texts:?}");
    assert!(has("user '<b>'") && has(r"[$'\xFF<x>']") && has("שלום 日本"), "{texts:?}");
    assert!(!svg.contains(|c: char| c.is_control() && c != '\n'));
    assert!(!svg.contains('\u{202e}') && !svg.contains("]]>"), "{svg}");
}

#[test]
fn it_says_what_it_does_not_show() {
    let spans: Vec<_> = (0..layout::MOST_ROWS + 5).map(|_| (None, 1, 100)).collect();
    let mut tree = tree(100, &spans);
    tree.forgotten = 12;
    tree.nodes[0].end = None;
    tree.nodes[0].outcome = None;
    let svg = drawn_with(&tree, Loss { dropped_execs: 3, ..Loss::default() });
    for part in [
        "Not shown: 5 processes",
        "Not kept: the 12 oldest",
        "Events were lost: dropped 3 execs",
        "205 processes, 1 still running, ",
        "205 trees of processes on '&lt;host&gt;'",
    ] {
        assert!(svg.contains(part.replace('\'', "&#39;").as_str()), "{part}: {svg}");
    }
}

proptest! {
    #[test]
    fn it_is_well_formed_whatever_bytes_there_are(argv: Vec<u8>, name: Vec<u8>, user: String) {
        let mut tree = tree(1_000, &[(None, 0, 1_000), (Some(0), 5, 6), (Some(0), 6, 7)]);
        for node in &mut tree.nodes {
            let program = Some(Program::new(None, argv.clone(), argv.len()));
            let user = Some(user.as_str().into());
            node.runs = vec![Run { comm: name.as_slice().into(), program: program.map(Into::into), user, ..run(0, &["x"]) }];
        }
        let elements = texts(&drawn(&tree)).into_iter().map(|(element, _)| element);
        let known = ["svg", "title", "style", "text", "tspan", "g"];
        prop_assert!(elements.into_iter().all(|element| known.contains(&element.as_str())));
    }
}

#[test]
fn an_empty_watch_has_a_picture() {
    for tree in [Tree::default(), tree(0, &[(None, 0, 0)])] {
        assert!(!texts(&drawn(&tree)).is_empty());
    }
}

#[test]
fn it_stays_small_however_long_commands_are() {
    // As many as there is room for, each with a unit of its own, a long command and a failure.
    let mut spans = vec![(None, 0, 960_000)];
    spans.extend((0..100_000).map(|i| (Some(0), i / 150 * 1_440, i / 150 * 1_440 + 1_430)));
    let mut tree = tree(960_000, &spans);
    let long = "&".repeat(1_000);
    let hostile = run(0, &["cc", &long]);
    for node in &mut tree.nodes {
        node.runs = vec![hostile.clone()];
        node.outcome = Some(Outcome::Exited(1));
    }
    let svg = drawn(&tree);
    assert!(svg.len() < 2_000_000, "{} bytes", svg.len());
    assert!(svg.len() > 20_000 && svg.contains("100001 processes"));
}
