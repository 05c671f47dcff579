//! Events a second through each part of user space and through all of it, without a kernel.

mod events;

use divan::Bencher;
use divan::counter::ItemsCount;
use events::{EVENTS, FACTS, decoded, dev_null, elements, joined, print_json};
use kernel_and_user_map::clock::Clock;
use kernel_and_user_map::options::TimeStyle;
use kernel_and_user_map::table::{Table, Terminal};

fn main() {
    divan::main();
}

#[divan::bench]
fn decode(bencher: Bencher<'_, '_>) {
    let elements = elements();
    bencher.counter(ItemsCount::new(EVENTS)).bench(|| decoded(&elements));
}

#[divan::bench]
fn join(bencher: Bencher<'_, '_>) {
    let records = decoded(&elements());
    bencher.counter(ItemsCount::new(EVENTS)).with_inputs(|| records.clone()).bench_local_values(
        |records| {
            joined(records, |event| {
                divan::black_box(event);
                Ok(())
            });
        },
    );
}

#[divan::bench]
fn join_and_print_table(bencher: Bencher<'_, '_>) {
    let (records, clock) = (decoded(&elements()), Clock::new());
    let (mut out, mut table) = (dev_null(), Table::new(Terminal::default(), TimeStyle::Local));
    bencher.counter(ItemsCount::new(EVENTS)).with_inputs(|| records.clone()).bench_local_values(
        |records| {
            joined(records, |event| table.event(&mut out, event, &clock, &FACTS));
        },
    );
}

#[divan::bench]
fn join_and_print_json(bencher: Bencher<'_, '_>) {
    let (records, clock, mut out) = (decoded(&elements()), Clock::new(), dev_null());
    bencher
        .counter(ItemsCount::new(EVENTS))
        .with_inputs(|| records.clone())
        .bench_local_values(|records| print_json(&mut out, records, &clock));
}

/// The target is 500,000 events a second on one core.
#[divan::bench]
fn decode_join_and_print_json(bencher: Bencher<'_, '_>) {
    let (elements, clock, mut out) = (elements(), Clock::new(), dev_null());
    bencher
        .counter(ItemsCount::new(EVENTS))
        .bench_local(|| print_json(&mut out, decoded(&elements), &clock));
}
