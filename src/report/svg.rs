//! `--save FILE.svg`: a picture of when each process ran, to look at in a browser or on a web
//! page. Time runs to the right, and each process is a bar below the one that started it.
//!
//! It needs no script and nothing from elsewhere, so a page may show it as an image.

use std::io::{self, Write as _};

use self::picture::{Detail, Picture};
use super::{Output, TreeReport, Watched};
use crate::process::tree::Tree;

mod bars;
mod layout;
mod palette;
mod picture;
mod scale;
mod strips;
mod text;

/// Web pages refuse images that are much larger, and browsers are slow to open them.
const MOST_BYTES: usize = 1_900_000;

/// Writes the picture.
#[derive(Debug, Default)]
pub struct Svg;

impl TreeReport for Svg {
    fn write(&self, out: &mut Output<'_>, tree: &Tree, watched: &Watched<'_>) -> io::Result<()> {
        let picture = Picture::new(tree, watched);
        // There is an end to it: at last one bar holds all of a row, and has a short title.
        let text = (0..).find_map(|level| picture.draw(Detail::at(level), MOST_BYTES));
        out.write_all(text.unwrap_or_default().as_bytes())
    }
}

#[cfg(test)]
mod tests;
