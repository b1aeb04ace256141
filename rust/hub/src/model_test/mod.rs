//! The rules of log, runs, cursors and gaps against a model: what a reader got and what it was told it lost is what was published in
//! the runs it should see, in order, without duplicates; and what is held stays within its bounds. Everything random comes from a
//! seed, which a failure names: `JUPYTER_SSE_SEEDS=17..18 cargo test -p jupyter-sse-hub model` repeats seed 17.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_wrap,
    reason = "a test fails by panicking, and says why"
)]

mod client;
mod journal;
mod published;
mod random;
mod visit;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use journal::Journal;
use world::World;

/// How many things happen for one seed.
const STEPS: usize = 150;

/// Runs one seed; a failure is its panic and, where it is wanted, what led to it.
fn run(seed: u64, is_told: bool) -> (thread::Result<()>, Journal) {
    let mut world = World::new(seed);
    world.journal.text = is_told.then(String::new);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..STEPS {
            world.step();
        }
        world.finish();
    }));
    (outcome, world.journal)
}

#[test]
fn what_was_got_and_what_was_told_to_be_lost_is_what_was_published() {
    let seeds = std::env::var("JUPYTER_SSE_SEEDS").unwrap_or_else(|_| "0..1200".to_owned());
    let (first, last) = seeds.split_once("..").unwrap();
    let seeds = first.parse::<u64>().unwrap()..last.parse().unwrap();
    let is_full_run = seeds.end - seeds.start >= 1000;
    let mut counts = BTreeMap::new();
    for seed in seeds {
        let (outcome, journal) = run(seed, false);
        if let Err(panic) = outcome {
            let (_, journal) = run(seed, true);
            eprintln!("{}seed {seed} failed", journal.text.unwrap());
            resume_unwind(panic);
        }
        for (what, count) in journal.counts {
            *counts.entry(what).or_insert(0) += count;
        }
    }
    for what in [
        "204",
        "copied",
        "sse.ready",
        "sse.end",
        "sse.ping",
        "ahead uncounted",
        "epoch uncounted",
        "unknown-id uncounted",
        "evicted counted",
        "evicted uncounted",
        "overflow counted",
        "overflow uncounted",
    ] {
        assert!(
            !is_full_run || counts.contains_key(what),
            "{what} never came up: {counts:?}"
        );
    }
}
