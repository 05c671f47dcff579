//! How large a picture becomes.

use std::time::{Duration, Instant};

use crate::builds::large;
use crate::picture;

const MOST: usize = 2_000_000;

#[test]
fn a_hundred_thousand_processes_are_a_small_file() {
    let tree = large().tree();
    assert_eq!(tree.nodes.len(), 100_000);
    let start = Instant::now();
    let svg = picture(&tree);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert!(svg.len() < MOST, "{} bytes", svg.len());
}
