//! Where the browser has put the parts of a picture, and what they say.

use serde_json::Value;

use crate::browser::look;
use crate::builds::{Build, MS, medium, small};
use crate::picture;

/// All bars and texts, in pixels.
const LOOK: &str = r"
    function box(element) {
        const { left, right, top, bottom } = element.getBoundingClientRect();
        return { left, right, top, bottom };
    }
    function look(svg) {
        const bars = Array.from(svg.querySelectorAll('g[data-pid], g[data-count]'), g => ({
            pid: Number(g.dataset.pid ?? 0),
            title: g.querySelector('title').textContent,
            slices: Array.from(g.querySelectorAll('path'), box),
            texts: Array.from(g.querySelectorAll('text'), text => (
                { ...box(text), text: text.textContent })),
        }));
        return {
            bars,
            scripts: document.querySelectorAll('svg script').length,
            svg: box(svg),
            texts: Array.from(svg.querySelectorAll('text'), box),
        };
    }";

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().expect("a list")
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().expect("a number")
}

/// Checks what must hold for every picture. Returns how many texts are in bars.
fn check(page: &Value, width: u32) -> usize {
    assert_eq!(number(&page["svg"], "right"), f64::from(width));
    let mut texts = 0;
    for bar in list(page, "bars") {
        let slices = list(bar, "slices");
        for text in list(bar, "texts") {
            let is_in = |slice: &&Value| {
                number(slice, "left") <= number(text, "left")
                    && number(slice, "right") >= number(text, "right")
            };
            assert!(slices.iter().any(|slice| is_in(&slice)), "text leaves its bar: {bar}");
            texts += 1;
        }
    }
    for text in list(page, "texts") {
        let is_in = number(text, "left") >= 0.0 && number(text, "right") <= f64::from(width);
        assert!(is_in, "text leaves the picture: {text}");
    }
    texts
}

#[test]
fn bars_are_where_their_times_are() {
    let build = small();
    let tree = build.tree();
    let end = build.processes[0].end as f64;
    let svg = picture(&tree);
    for width in [800, 1600] {
        let page = look(&svg, width, LOOK);
        assert!(check(&page, width) > 10);
        let unit = f64::from(width) / 1000.0;
        let x = |time: u64| (20.0 + time as f64 / end * 960.0) * unit;
        let bars = list(&page, "bars");
        assert_eq!(bars.len(), build.processes.len(), "each can be seen");
        let bar_of = |pid| bars.iter().find(|bar| bar["pid"] == pid).expect("it has a bar");
        for process in &build.processes {
            let slices = list(bar_of(process.pid), "slices");
            let left = number(&slices[0], "left");
            let right = number(&slices[slices.len() - 1], "right");
            assert!((left - x(process.start)).abs() <= 1.0, "{left} {process:?}");
            let end = x(process.end).max(x(process.start) + unit);
            assert!((right - end).abs() <= 1.0, "{right} {process:?}");
            if process.started_by > 0 {
                let above = number(&list(bar_of(process.started_by), "slices")[0], "bottom");
                assert!(number(&slices[0], "top") >= above, "{process:?}");
            }
        }
        let link = build.processes.iter().find(|process| process.execs.len() == 2).expect("link");
        let slices = list(bar_of(link.pid), "slices");
        assert!((number(&slices[1], "left") - x(link.execs[1].0)).abs() <= 1.0, "{slices:?}");
    }
}

#[test]
fn titles_are_command_lines_and_no_markup() {
    let mut build = Build::default();
    let script = "</title></g><script>document.title = 'taken'</script>";
    let shell = build.run(0, 0, 1_000 * MS, &["sh", "-c", script, "a\nb", "&lt;"]).pid;
    build.run(
        shell,
        10 * MS,
        900 * MS,
        &["日本語のプログラム", "שלום עולם", "👍🏽👍🏽👍🏽", "نص عربي طويل جدا"],
    );
    build.run(
        shell,
        300 * MS,
        120 * MS,
        &["日本語のプログラム", "é", "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"],
    );
    build.run(shell, 500 * MS, 70 * MS, &["ﷺﷺﷺﷺﷺﷺﷺﷺ", "𒐫𒐫𒐫𒐫𒐫𒐫"]);
    let page = look(&picture(&build.tree()), 1600, LOOK);
    assert_eq!(check(&page, 1600), 4);
    assert_eq!(page["scripts"], 0);
    let title = list(&page, "bars")[0]["title"].as_str().expect("a title");
    let command = r#"sh -c "</title></g><script>document.title = 'taken'</script>" $'a\nb' '&lt;'"#;
    assert_eq!(title.lines().next(), Some(command));
    assert_eq!(title.lines().last(), Some("exit code 0"));
}

#[test]
fn no_text_leaves_its_bar_where_bars_are_many() {
    let svg = picture(&medium().tree());
    for width in [800, 1600] {
        let page = look(&svg, width, LOOK);
        assert!(check(&page, width) > 5);
    }
}
