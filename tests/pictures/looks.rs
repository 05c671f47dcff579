//! What people see: on light and on dark ground, small and large.

use crate::browser::{Ground, screenshot};
use crate::builds::{Build, large, medium, small};
use crate::{picture, save};

fn shots(name: &str, build: &Build) {
    let path = save(name, &picture(&build.tree()));
    for width in [800, 1600] {
        let size = (width, width / 2);
        let [light, dark] =
            [Ground::Light, Ground::Dark].map(|ground| screenshot(&path, size, ground));
        // The corner is the ground.
        let is_near = |pixel: &[u8], ground: u8| pixel.iter().all(|&c| c.abs_diff(ground) < 30);
        assert!(is_near(&light[..3], 255), "{:?}", &light[..3]);
        assert!(is_near(&dark[..3], 15), "{:?}", &dark[..3]);
        for (pixels, ground) in [(&light, 255), (&dark, 15)] {
            let drawn = pixels.chunks(3).filter(|pixel| !is_near(pixel, ground)).count();
            assert!(drawn > pixels.len() / 3 / 20, "{name}: {drawn} pixels are drawn");
        }
    }
}

#[test]
fn a_small_build_is_shown_as_an_image() {
    shots("small.svg", &small());
}

#[test]
fn a_build_of_thousands_is_shown_as_an_image() {
    shots("medium.svg", &medium());
}

#[test]
fn a_hundred_thousand_processes_are_shown_as_an_image() {
    shots("large.svg", &large());
}
