//! What a link does when its server goes, comes back, or reads nothing.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]
#![allow(
    dead_code,
    missing_docs,
    reason = "the server is shared by the test files"
)]

mod server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jupyter_sse_link::{Command, EndReason, Link, RunKind, Sent};
use server::{Folder, PATIENCE, Peer, Said, Server, command, event, eventually, send, try_send};

/// A link that has opened `names` as keys 1, 2, …, with nothing confirmed.
fn opened(folder: &Folder, names: &[&str]) -> (Server, Peer, Link) {
    let server = Server::bind(&folder.socket());
    let link = Link::start(folder.options()).unwrap();
    let mut peer = server.accept_new();
    for name in names {
        link.open(name, RunKind::Run, "", Duration::ZERO).unwrap();
    }
    for _ in names {
        peer.confirm_open();
    }
    (server, peer, link)
}

fn hello(peer: &mut Peer) -> [u8; 16] {
    let said = peer.next();
    let Said::Hello { link } = said else {
        panic!("a hello expected, got {said:?}")
    };
    link
}

#[test]
fn a_hub_that_knows_the_link_gets_exactly_what_it_lacks() {
    let folder = Folder::new();
    let (server, mut peer, link) = opened(&folder, &["a"]);
    for number in 2..=9 {
        send(&link, 1, &number.to_string());
    }
    peer.until(9);
    peer.ack(4);
    drop(peer);
    assert!(matches!(
        command(&link, |command| *command != Command::Linked),
        Command::Unlinked { .. }
    ));
    send(&link, 1, "10");
    let mut peer = server.accept();
    hello(&mut peer);
    peer.welcome(true, 6);
    let expected: Vec<Said> = (7..=10)
        .map(|number| event(number, 1, &number.to_string()))
        .collect();
    assert_eq!(peer.until(10), expected);
    peer.ack(10);
    assert!(link.flush(Some(PATIENCE)));
}

#[test]
fn a_link_keeps_its_id_over_connections() {
    let folder = Folder::new();
    let server = Server::bind(&folder.socket());
    let _link = Link::start(folder.options()).unwrap();
    let first = hello(&mut server.accept());
    assert_eq!(hello(&mut server.accept()), first);
    let other_folder = Folder::new();
    let other_server = Server::bind(&other_folder.socket());
    let _other = Link::start(other_folder.options()).unwrap();
    assert_ne!(hello(&mut other_server.accept()), first);
}

#[test]
fn a_hub_that_started_anew_gets_open_keys_and_everything_unconfirmed() {
    let folder = Folder::new();
    let (server, mut peer, link) = opened(&folder, &["a", "b", "c"]);
    send(&link, 1, "4");
    link.end(2, EndReason::Done, "").unwrap(); // 5: confirmed, so key 2 is over
    send(&link, 1, "6");
    link.end(3, EndReason::Done, "").unwrap(); // 7: not confirmed, so key 3 has to end again
    link.open("d", RunKind::Run, "", Duration::ZERO).unwrap(); // 8: travels again by itself
    send(&link, 4, "9");
    peer.until(9);
    peer.ack(5);
    drop((peer, server));
    let server = Server::bind(&folder.socket());
    let mut peer = server.accept();
    hello(&mut peer);
    peer.welcome(false, 0);
    let reopened = [peer.next(), peer.next()];
    assert!(matches!(&reopened[0], Said::Open { seq: 0, key: 1, stream, .. } if stream == "a"));
    assert!(matches!(&reopened[1], Said::Open { seq: 0, key: 3, stream, .. } if stream == "c"));
    let said = peer.until(9);
    assert_eq!(said[0], event(6, 1, "6"));
    assert_eq!(
        said[1],
        Said::End {
            seq: 7,
            key: 3,
            reason: 0
        }
    );
    assert!(matches!(&said[2], Said::Open { seq: 8, key: 4, stream, .. } if stream == "d"));
    assert_eq!(said[3..], [event(9, 4, "9")]);
}

#[test]
fn an_open_whose_answer_got_lost_is_asked_again() {
    let folder = Folder::new();
    let server = Server::bind(&folder.socket());
    let link = Link::start(folder.options()).unwrap();
    let mut peer = server.accept_new();
    let key = link
        .open("a", RunKind::Run, "", Duration::ZERO)
        .unwrap()
        .key;
    peer.next();
    drop(peer);
    let mut peer = server.accept();
    hello(&mut peer);
    peer.welcome(true, 1);
    assert!(matches!(
        peer.confirm_open(),
        Said::Open { seq: 0, key: 1, .. }
    ));
    assert_eq!(eventually("the run", || link.run_of(key)), 7);
}

#[test]
fn connections_cut_in_the_middle_of_frames_lose_and_repeat_nothing() {
    const EVENTS: u64 = 30_000;
    let folder = Folder::new();
    let (server, mut peer, link) = opened(&folder, &["a"]);
    let sender = std::thread::spawn({
        let link = link.clone();
        move || {
            for number in 0..EVENTS {
                send(&link, 1, &format!("{number:0>100}"));
            }
        }
    });
    let (mut got, mut cuts) = (0, 0);
    let mut last_seq = 1;
    while got < EVENTS {
        for _ in 0..997.min(EVENTS - got) {
            last_seq += 1;
            assert_eq!(peer.next(), event(last_seq, 1, &format!("{got:0>100}")));
            got += 1;
        }
        if cuts % 2 == 0 {
            peer.ack(last_seq);
        }
        cuts += 1;
        // Somewhere in a frame: what is read here comes in blocks, and what is written there too.
        drop(peer);
        peer = server.accept();
        hello(&mut peer);
        peer.welcome(true, last_seq);
    }
    sender.join().unwrap();
    assert!(
        link.flush(Some(PATIENCE)),
        "the last welcome confirmed everything"
    );
    eventually("the last link", || {
        (link.stats()?.links == cuts + 1).then_some(())
    });
}

/// Fills a link until it refuses; how many events it took.
fn fill(link: &Link, data: &str) -> u64 {
    let mut count = 0;
    while try_send(link, 1, data) == Sent::Queued {
        count += 1;
    }
    count
}

#[test]
fn a_server_that_never_reads_blocks_and_then_loses_the_oldest_announced_and_counted() {
    let folder = Folder::new();
    let mut options = folder.options();
    options.max_unsent_bytes = 4 * 1024 * 1024;
    options.overflow_after = Duration::from_millis(300);
    let server = Server::bind(&folder.socket());
    let link = Link::start(options).unwrap();
    let mut peer = server.accept_new();
    link.open("a", RunKind::Run, "", Duration::ZERO).unwrap();
    peer.confirm_open();

    let data = "x".repeat(200);
    let begin = Instant::now();
    let mut sent = fill(&link, &data);
    let stats = link.stats().unwrap();
    assert!(
        stats.unconfirmed_bytes <= 4 * 1024 * 1024 && stats.unconfirmed_bytes > 4_000_000,
        "{stats:?}"
    );
    assert_eq!(stats.lost_events, 0);
    assert!(!link.wait_for_room(300, Duration::from_millis(1)));
    assert!(link.wait_for_room(300, PATIENCE), "patience has an end");
    assert!(begin.elapsed() >= Duration::from_millis(300));
    for _ in 0..50_000 {
        send(&link, 1, &data);
        sent += 1;
    }
    let lost = link.stats().unwrap().lost_events;
    assert!(lost > 20_000 && link.stats().unwrap().unconfirmed_bytes <= 4 * 1024 * 1024);

    // The server wakes up: everything is there, or named as lost in its place.
    let (mut events, mut announced, mut seq) = (0, 0, 1);
    while seq < 1 + sent {
        let said = peer.next();
        match said {
            Said::Event { .. } => events += 1,
            Said::Lost { key: 1, count, .. } => announced += count,
            _ => panic!("an event or a loss expected, got {said:?}"),
        }
        assert!(said.seq() > seq);
        seq = said.seq();
        peer.ack(seq);
    }
    assert_eq!((events + announced, announced), (sent, lost));
    assert!(link.flush(Some(PATIENCE)));
    assert_eq!(
        command(&link, |command| *command != Command::Linked),
        Command::Lost {
            key: 1,
            count: lost
        }
    );
}

#[test]
fn without_a_server_ever_a_full_link_drops_at_once_and_tells_the_next_one() {
    let folder = Folder::new();
    let mut options = folder.options();
    options.max_unsent_bytes = 64 * 1024;
    let link = Link::start(options).unwrap();
    for name in ["a", "b"] {
        // Returns only when the first attempt has failed: from here on nobody is there.
        link.open(name, RunKind::Run, "", PATIENCE).unwrap();
    }
    for number in 0..10_000 {
        send(&link, 1 + number % 2, &format!("{number}"));
    }
    let server = Server::bind(&folder.socket());
    let mut peer = server.accept_new();
    let mut next: BTreeMap<u32, u64> = BTreeMap::new();
    let mut seq = 0;
    while seq < 10_002 {
        let said = peer.next();
        seq = said.seq();
        peer.ack(seq);
        match said {
            Said::Open { .. } => {}
            Said::Lost { key, count, .. } => *next.entry(key).or_default() += count,
            Said::Event { key, body, .. } => {
                let number = 2 * next[&key] + u64::from(key) - 1;
                assert_eq!(body, format!("data: {number}\n\n"));
                *next.entry(key).or_default() += 1;
            }
            _ => panic!("{said:?} was not sent"),
        }
    }
    assert_eq!(next, BTreeMap::from([(1, 5000), (2, 5000)]));
}

#[test]
fn room_wakes_a_blocked_sender() {
    let folder = Folder::new();
    let mut options = folder.options();
    options.max_unsent_bytes = 256 * 1024;
    let server = Server::bind(&folder.socket());
    let link = Link::start(options).unwrap();
    let mut peer = server.accept_new();
    link.open("a", RunKind::Run, "", Duration::ZERO).unwrap();
    peer.confirm_open();
    let sent = fill(&link, "x");
    let waiter = std::thread::spawn({
        let link = link.clone();
        move || link.wait_for_room(100, PATIENCE)
    });
    let mut seq = 1;
    while seq < 1 + sent {
        seq = peer.next().seq();
        peer.ack(seq);
    }
    assert!(waiter.join().unwrap());
    send(&link, 1, "y");
}
