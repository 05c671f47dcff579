//! Events a second through each part of user space and through all of it, without a kernel.

mod events;

use divan::Bencher;
use divan::counter::ItemsCount;
use events::{EVENTS, decoded, dev_null, elements, print, tracked};
use kernel_and_user_map::report::columns::TimeColumn;
use kernel_and_user_map::report::events_json::EventsJson;
use kernel_and_user_map::report::events_table::EventsTable;
use kernel_and_user_map::report::{Report, TimeStyle};

fn main() {
    divan::main();
}

#[divan::bench]
fn decode(bencher: Bencher<'_, '_>) {
    let elements = elements();
    bencher.counter(ItemsCount::new(EVENTS)).bench(|| decoded(&elements));
}

#[divan::bench]
fn track(bencher: Bencher<'_, '_>) {
    let records = decoded(&elements());
    bencher.counter(ItemsCount::new(EVENTS)).with_inputs(|| records.clone()).bench_local_values(
        |records| {
            tracked(records, |event| {
                divan::black_box(event);
                Ok(())
            });
        },
    );
}

fn track_and_print(bencher: Bencher<'_, '_>, mut report: impl Report) {
    let (records, mut out) = (decoded(&elements()), dev_null());
    bencher
        .counter(ItemsCount::new(EVENTS))
        .with_inputs(|| records.clone())
        .bench_local_values(|records| print(&mut out, records, &mut report));
}

#[divan::bench]
fn track_and_print_table(bencher: Bencher<'_, '_>) {
    let time = TimeColumn::new(TimeStyle::Local, 0);
    track_and_print(bencher, EventsTable::new(time, false, false));
}

#[divan::bench]
fn track_and_print_json(bencher: Bencher<'_, '_>) {
    track_and_print(bencher, EventsJson::default());
}

/// The target is 500,000 events a second on one core.
#[divan::bench]
fn decode_track_and_print_json(bencher: Bencher<'_, '_>) {
    let (elements, mut out, mut report) = (elements(), dev_null(), EventsJson::default());
    bencher
        .counter(ItemsCount::new(EVENTS))
        .bench_local(|| print(&mut out, decoded(&elements), &mut report));
}
