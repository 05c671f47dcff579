use super::*;

const TIMES: [[usize; 2]; 3] = [TimeColumn::WIDTHS, [19, 29], [0, 0]];

fn layout(columns: &'static [Column], time: [usize; 2], ancestors: bool, window: usize) -> Layout {
    let mut layout = Layout::new(columns, time, ancestors);
    assert!(layout.follow(Some(Window { columns: window, lines: 24 })));
    layout
}

fn each_layout(mut check: impl FnMut(&Layout, usize)) {
    for window in 1..=220 {
        for ancestors in [false, true] {
            for time in TIMES {
                check(&layout(EVENTS, time, ancestors, window), window);
            }
            check(&layout(PROCESSES, TimeColumn::WIDTHS, ancestors, window), window);
        }
    }
}

#[test]
fn no_line_is_wider_than_its_window_whatever_stands_in_it() {
    for text in ["", "x", "a text that is much wider than its column", "日本語日本語日本語日本語"]
    {
        each_layout(|layout, window| {
            let mut line = String::new();
            layout.push(&mut line, |_, columns, line| {
                assert!(columns.is_some());
                line.push_str(text);
            });
            let room = layout.command_columns().expect("a window");
            // The narrowest line there is: the kind of an event, and a character of a command.
            assert!(line.width() + room <= window.max(10), "{window}: {line:?} and {room}");
            assert!(layout.header().width() <= window, "{window}");
        });
    }
}

#[test]
fn the_command_has_the_most_where_there_is_little() {
    let room = |columns, window| {
        let layout = layout(columns, TimeColumn::WIDTHS, false, window);
        (layout.command_columns(), layout.has(Field::Parent))
    };
    assert_eq!(room(EVENTS, 80), (Some(38), false));
    assert_eq!(room(PROCESSES, 80), (Some(39), false));
    for window in 80..220 {
        for columns in [EVENTS, PROCESSES] {
            let (room, has_parent) = room(columns, window);
            assert!(room.is_some_and(|room| room >= 38), "{window}: {room:?}");
            assert_eq!(has_parent, window >= 120);
        }
    }
    each_layout(|layout, window| {
        let room = layout.command_columns().unwrap_or_default();
        assert!(window < 20 || room >= 11, "{window}: {room}");
    });
}

#[test]
fn headings_stand_above_what_they_name() {
    each_layout(|layout, window| {
        let mut line = String::new();
        layout.push(&mut line, |field, columns, line| {
            let column = layout.columns.iter().find(|column| column.field == field);
            let heading = column.expect("described").heading;
            assert!(columns.is_some_and(|columns| columns >= heading.len()), "{heading}");
            line.push_str(heading);
        });
        assert!(window < 20 || line + COMMAND == layout.header(), "{window}");
    });
}

#[test]
fn a_file_has_the_same_columns_always() {
    let headers =
        [(EVENTS, false), (EVENTS, true), (PROCESSES, false)].map(|(columns, ancestors)| {
            let mut layout = Layout::new(columns, TimeColumn::WIDTHS, ancestors);
            assert!(layout.follow(None));
            assert!(!layout.follow(None));
            assert_eq!(layout.command_columns(), None);
            layout.header()
        });
    assert_eq!(
        headers,
        [
            "TIME          EVENT     PID    PPID USER       DURATION  RESULT    COMMAND",
            "TIME          EVENT     PID    PPID USER       DURATION  RESULT    ANCESTORS                COMMAND",
            "    PID    PPID USER            AGE      CPU  COMMAND",
        ]
    );
}

#[test]
fn the_columns_change_only_where_the_window_has_others() {
    let mut layout = layout(EVENTS, TimeColumn::WIDTHS, false, 80);
    let mut follow = |columns, lines| layout.follow(Some(Window { columns, lines }));
    assert!(!follow(80, 24) && !follow(80, 50) && !follow(85, 24));
    assert!(follow(59, 24) && !follow(58, 24));
    assert!(follow(120, 24) && !follow(131, 24) && follow(132, 24));
    assert!(layout.follow(None));
}
