//! The strips above the bars: how many processes are busy, and how busy the CPUs are.

use super::scale::{LEFT, Scale, WIDTH};
use crate::process::tree::Tree;

const COLUMNS: usize = (WIDTH.0 / 10) as usize;

/// Averages over the time, one for each unit of the picture's width.
#[derive(Debug, Clone)]
pub struct Strip(Vec<f64>);

impl Strip {
    /// How many processes were busy: those that wait for no child.
    pub fn of_processes(tree: &Tree, scale: &Scale) -> Self {
        let steps = tree.activity();
        let ends = steps.iter().skip(1).map(|step| step.since).chain([tree.end]);
        let spans = steps.iter().zip(ends).map(|(step, end)| (step.since, end, step.busy as f64));
        Self::new(scale, spans)
    }

    /// How many CPUs were busy, as if each process had used its CPU time evenly over its life:
    /// when it did is not known.
    pub fn of_cpus(tree: &Tree, scale: &Scale, cpus: usize) -> Self {
        let spans = tree.nodes.iter().filter_map(|node| {
            let (from, to) = tree.span(node);
            // One that was running before has used some of it then.
            let life = node.end.unwrap_or(tree.end).saturating_sub(node.start());
            node.cpu_ns.map(|cpu_ns| (from, to, cpu_ns as f64 / life.max(1) as f64))
        });
        let mut strip = Self::new(scale, spans);
        strip.0.iter_mut().for_each(|busy| *busy = busy.min(cpus as f64));
        strip
    }

    /// Adds up what each span (two times, and an amount that holds in between) puts into each
    /// column.
    fn new(scale: &Scale, spans: impl Iterator<Item = (u64, u64, f64)>) -> Self {
        let mut sums = vec![0.0; COLUMNS];
        // What a column has more than the one before: a long span costs no more than a short one.
        let mut changes = vec![0.0; COLUMNS + 1];
        for (from, to, amount) in spans {
            let (from, to) = (scale.units(from), scale.units(to));
            let (first, last) = (from as usize, (to as usize).min(COLUMNS - 1));
            if first >= last {
                sums[first.min(COLUMNS - 1)] += (to - from) * amount;
                continue;
            }
            sums[first] += ((first + 1) as f64 - from) * amount;
            sums[last] += (to - last as f64) * amount;
            changes[first + 1] += amount;
            changes[last] -= amount;
        }
        let mut level = 0.0;
        for (sum, change) in sums.iter_mut().zip(changes) {
            level += change;
            *sum += level;
        }
        Self(sums)
    }

    /// The largest average.
    pub fn highest(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }

    /// Its outline, above a base line, as a path: `most` is as high as `height`.
    pub fn outline(&self, base: usize, height: usize, most: f64) -> String {
        let left = LEFT.0 as usize / 10;
        let mut path = format!("M{left} {base}");
        let mut before = base as f64;
        for (column, value) in self.0.iter().enumerate() {
            let y = base as f64 - (value / most * height as f64 * 10.0).round() / 10.0;
            if y != before {
                path.push_str(&format!("H{}V{y:.1}", left + column));
                before = y;
            }
        }
        path.push_str(&format!("H{}V{base}z", left + COLUMNS));
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_the_average_over_its_time() {
        let tree = Tree { begin: 0, end: COLUMNS as u64 * 100, ..Tree::default() };
        let spans = [(50, 300, 2.0), (300, 320, 5.0), (u64::MAX, u64::MAX, 9.0)];
        let strip = Strip::new(&Scale::new(&tree), spans.into_iter());
        let firsts: Vec<f64> =
            strip.0[..5].iter().map(|value| value * 100.0).map(f64::round).collect();
        assert_eq!(firsts, [100.0, 200.0, 200.0, 100.0, 0.0]);
        assert_eq!(strip.0[COLUMNS - 1], 0.0);
    }
}
