//! What is told to a person when the watch begins.

use crate::options::Options;
use crate::report::{Format, TimeStyle, View, columns};

/// One line.
pub fn of(options: &Options) -> String {
    let zone = if options.output == Format::Table
        && options.view != View::Tree
        && options.time != TimeStyle::None
    {
        format!("times are {}; ", columns::zone_name(options.time))
    } else {
        String::new()
    };
    if !options.command.is_empty() {
        return format!("{zone}following the command to its end");
    }
    let what = if options.follow.is_empty() { "watching" } else { "following the" };
    let end = if options.view == View::Tree { ", and the tree follows" } else { "" };
    format!("{what} execs and exits; {zone}Ctrl-C ends it{end}")
}
