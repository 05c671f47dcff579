use super::super::tests::{fail, tree};
use super::*;

/// Of a watch in which a tenth of a unit is a nanosecond.
const END: u64 = 9_600;

/// The bars in short: row, from and to in tenths from the beginning, how many and how many failed.
fn bars(layout: &Layout) -> Vec<(usize, u32, u32, usize, usize)> {
    let left = super::super::scale::LEFT.0;
    let short = |bar: &Bar| (bar.row, bar.from.0 - left, bar.to.0 - left, bar.count, bar.failures);
    layout.bars.iter().map(short).collect()
}

fn laid_out(tree: &Tree) -> Layout {
    lay_out(tree, &Scale::new(tree), Tenths(10))
}

#[test]
fn children_are_below_their_parents_and_rows_are_used_again() {
    let mut tree = tree(
        END,
        &[
            (None, 0, 9_600),
            (Some(0), 100, 2_000),   // 1
            (Some(1), 150, 1_900),   // 2, below 1
            (Some(0), 1_000, 3_000), // 3, while 1 and 2 are there
            (Some(3), 1_100, 2_900), // 4, below 3
            (Some(0), 2_000, 5_000), // 5, where 1 was
            (Some(5), 2_100, 9_600), // 6 goes on when 5 has ended
            (Some(0), 5_500, 6_000), // 7 may stand beside neither
        ],
    );
    fail(&mut tree, 4);
    assert_eq!(
        bars(&laid_out(&tree)),
        [
            (0, 0, 9_600, 1, 0),
            (1, 100, 2_000, 1, 0),
            (1, 2_000, 5_000, 1, 0),
            (2, 150, 1_900, 1, 0),
            (2, 2_100, 9_600, 1, 0),
            (3, 1_000, 3_000, 1, 0),
            (3, 5_500, 6_000, 1, 0),
            (4, 1_100, 2_900, 1, 1),
        ]
    );
}

#[test]
fn what_is_narrower_than_a_unit_is_drawn_together() {
    let mut tree = tree(
        END,
        &[
            (None, 0, 9_600),
            (Some(0), 100, 105),
            (Some(1), 101, 104), // in the one above
            (Some(0), 112, 112),
            (Some(0), 300, 309), // too far away
            (Some(0), 500, 502),
            (Some(5), 501, 900), // it can be seen, and so its parent
        ],
    );
    fail(&mut tree, 2);
    let layout = laid_out(&tree);
    assert_eq!(
        bars(&layout),
        [
            (0, 0, 9_600, 1, 0),
            (1, 100, 112, 3, 1),
            (1, 300, 310, 1, 0),
            (1, 500, 510, 1, 0),
            (2, 501, 900, 1, 0),
        ]
    );
    assert_eq!(layout.bars[1].failed, Some(2));
    assert_eq!(layout.bars[1].index, 1, "the longest");
}

#[test]
fn a_long_row_of_narrow_ones_still_tells_when() {
    // Each overlaps with the next, and yet one row is enough.
    let narrow = (0..1_000).map(|i| (Some(0), i * 9, i * 9 + 9));
    let spans: Vec<_> = [(None, 0, 9_600)].into_iter().chain(narrow).collect();
    let layout = laid_out(&tree(END, &spans));
    assert_eq!(layout.rows, 2);
    assert!(layout.bars[1..].iter().all(|bar| bar.to.0 - bar.from.0 <= 80), "{layout:?}");
    assert_eq!(layout.bars.iter().map(|bar| bar.count).sum::<usize>(), 1_001);
}

#[test]
fn no_two_bars_overlap_whatever_the_tree() {
    for seed in 0..20 {
        let mut random = seed;
        let mut below = |end: u64| {
            random = u64::wrapping_mul(random, 6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % end
        };
        let mut spans = vec![(None, 0, END)];
        let mut start = 0;
        for index in 1..2_000 {
            start += below(10);
            let parent = (below(50) > 0).then(|| index - 1 - below(index.min(60) as u64) as usize);
            let length = if below(3) == 0 { 2_000 } else { 20 };
            spans.push((parent, start, (start + below(length)).min(END.max(start))));
        }
        let tree = tree(END, &spans);
        let scale = Scale::new(&tree);
        let layout = laid_out(&tree);
        for pair in layout.bars.windows(2).filter(|pair| pair[0].row == pair[1].row) {
            assert!(pair[0].to <= pair[1].from, "{pair:?}");
        }
        let shown: usize = layout.bars.iter().map(|bar| bar.count).sum();
        assert_eq!(shown + layout.hidden, tree.nodes.len());
        let mut rows = vec![None; tree.nodes.len()];
        for bar in layout.bars.iter().filter(|bar| bar.count == 1) {
            let (from, to) = tree.span(&tree.nodes[bar.index]);
            let least = Tenths(bar.from.0 + LEAST_WIDTH);
            assert_eq!((bar.from, bar.to), (scale.x(from), scale.x(to).max(least)));
            rows[bar.index] = Some(bar.row);
        }
        for (node, row) in tree.nodes.iter().zip(&rows) {
            let above = node.parent.and_then(|parent| rows[parent]);
            assert!(row.is_none() || above < *row, "{node:?}");
        }
    }
}

#[test]
fn neither_depth_nor_width_needs_more_rows_than_there_are() {
    let deep: Vec<_> =
        (0..10_000).map(|i: u64| (i.checked_sub(1).map(|i| i as usize), i / 10, END)).collect();
    let layout = laid_out(&tree(END, &deep));
    assert_eq!((layout.rows, layout.hidden), (MOST_ROWS, 10_000 - MOST_ROWS));

    let wide: Vec<_> = (0..100_000).map(|i| ((i > 0).then_some(0), i / 100, END)).collect();
    let layout = laid_out(&tree(END, &wide));
    assert_eq!((layout.rows, layout.hidden), (MOST_ROWS, 100_000 - MOST_ROWS));

    let apart: Vec<_> = (0..5_000).map(|_| (None, 0, END)).collect();
    let layout = laid_out(&tree(END, &apart));
    assert_eq!((layout.rows, layout.hidden), (MOST_ROWS, 5_000 - MOST_ROWS));
}
