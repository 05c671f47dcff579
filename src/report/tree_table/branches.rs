//! The lines that lead from a process to its children.

use std::fmt::Write as _;

use crate::report::word::CUT;

/// The most levels that are drawn, however much room there is: a chain may have thousands, and
/// their lines would grow with the square.
const LEVELS_MOST: usize = 40;

/// How the lines of one tree are drawn.
///
/// Where there are more levels than fit, the outer ones are left out in blocks, and `…12 ` tells
/// how many: so a child stands to the right of its parent, except where a block ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branches {
    is_wide: bool,
    /// Levels that are drawn of a line from which none is left out.
    most: usize,
    /// Likewise where some are.
    most_of_deep: usize,
}

impl Branches {
    /// `deepest`: how many levels the tree has below its roots. `columns`: how many the lines
    /// may take; `None` where nothing limits them.
    pub fn new(deepest: usize, columns: Option<usize>) -> Self {
        let columns = columns.unwrap_or(LEVELS_MOST * 3);
        let is_wide = deepest * 3 <= columns;
        let width = if is_wide { 3 } else { 2 };
        let count = deepest.to_string().len() + 2;
        Self {
            is_wide,
            most: columns / width,
            most_of_deep: (columns.saturating_sub(count) / width).max(1),
        }
    }

    /// Adds the lines to a process. `more` tells for each level below the roots whether more
    /// children follow there.
    pub fn push(self, line: &mut String, more: &[bool]) {
        let skipped = self.skipped(more.len());
        if skipped > 0 {
            // Writing to a String does not fail.
            let _ = write!(line, "{CUT}{skipped} ");
        }
        let Some((&last, outer)) = more.split_last() else { return };
        for &more in &outer[skipped..] {
            line.push_str(match (more, self.is_wide) {
                (true, true) => "│  ",
                (true, false) => "│ ",
                (false, true) => "   ",
                (false, false) => "  ",
            });
        }
        line.push_str(match (last, self.is_wide) {
            (true, true) => "├─ ",
            (true, false) => "├ ",
            (false, true) => "└─ ",
            (false, false) => "└ ",
        });
    }

    /// How many of so many levels are left out.
    fn skipped(self, levels: usize) -> usize {
        if levels <= self.most {
            return 0;
        }
        let block = self.most_of_deep.div_ceil(2);
        (levels - self.most_of_deep).div_ceil(block) * block
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr as _;

    fn drawn(branches: Branches, more: &[bool]) -> String {
        let mut line = String::new();
        branches.push(&mut line, more);
        line
    }

    #[test]
    fn a_line_goes_on_where_more_children_follow() {
        let branches = Branches::new(3, None);
        assert_eq!(drawn(branches, &[]), "");
        assert_eq!(drawn(branches, &[true, false, true]), "│     ├─ ");
        assert_eq!(drawn(branches, &[false]), "└─ ");
    }

    #[test]
    fn the_deeper_the_tree_the_narrower_its_levels() {
        assert_eq!(drawn(Branches::new(5, Some(17)), &[true; 5]), "│  │  │  │  ├─ ");
        assert_eq!(drawn(Branches::new(8, Some(17)), &[true; 8]), "│ │ │ │ │ │ │ ├ ");
        assert_eq!(drawn(Branches::new(9, Some(17)), &[false; 9]), "…4         └ ");
    }

    #[test]
    fn outer_levels_are_left_out_in_blocks() {
        let branches = Branches::new(30, Some(17));
        let widths: Vec<_> = (0..14).map(|depth| drawn(branches, &vec![true; depth])).collect();
        let starts = |n: usize| widths[n].split(' ').next().unwrap_or_default().to_owned();
        assert_eq!([8, 9, 10, 11, 12, 13].map(starts), ["│", "…3", "…6", "…6", "…6", "…9"]);
    }

    #[test]
    fn no_depth_needs_more_columns_than_there_are() {
        for columns in [8, 17, 60, 200] {
            for deepest in [1, 5, 30, 1_000, 99_999] {
                let branches = Branches::new(deepest, Some(columns));
                for depth in (0..deepest.min(300)).chain([deepest]) {
                    let line = drawn(branches, &vec![false; depth]);
                    assert!(line.width() <= columns.max(10), "{columns} {depth} {line:?}");
                }
            }
        }
        let line = drawn(Branches::new(10_000, None), &[true; 10_000]);
        assert!(line.width() <= 120, "{line:?}");
    }
}
