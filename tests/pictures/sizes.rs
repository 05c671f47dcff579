//! How large a picture becomes.

use crate::builds::large;
use crate::picture;

const MOST: usize = 2_000_000;

#[test]
fn a_hundred_thousand_processes_are_a_small_file() {
    let tree = large().tree();
    assert_eq!(tree.nodes.len(), 100_000);
    let svg = picture(&tree);
    assert!(svg.len() < MOST, "{} bytes", svg.len());
}
