//! The order of the rows of commands.

use regex::bytes::Regex;

use super::columns::Column;
use crate::report::activity::CommandRow;

/// Which rows are shown, and in which order.
pub fn placed(
    rows: &[CommandRow],
    filter: Option<&Regex>,
    (sort, ascending): (Column, bool),
) -> Vec<usize> {
    let is_found = |row: &CommandRow| match (filter, &row.comm) {
        (None, _) => true,
        (Some(filter), Some(comm)) => filter.is_match(comm),
        (Some(_), None) => false,
    };
    let mut found: Vec<usize> = (0..rows.len()).filter(|&index| is_found(&rows[index])).collect();
    found.sort_by(|&a, &b| {
        let order = sort.compare_commands(&rows[a], &rows[b]);
        let order = if ascending { order } else { order.reverse() };
        let running = rows[b].running.cmp(&rows[a].running);
        order.then(running).then_with(|| rows[a].comm.cmp(&rows[b].comm))
    });
    found
}
