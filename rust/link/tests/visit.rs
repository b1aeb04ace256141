//! Routes and their visits, from the kernel's side.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a test may"
)]
#![allow(
    dead_code,
    missing_docs,
    reason = "the server is shared by the test files"
)]

mod server;

use std::time::{Duration, Instant};

use jupyter_sse_codec::frame::{ToKernel, event_cost};
use jupyter_sse_link::{Command, EndReason, Link, OpenError, RunKind, SendError};
use server::{Folder, PATIENCE, Peer, Said, Server, attempt, command, event, eventually, send};

const ROUTE: u32 = 1;
const VISIT: u32 = 2;

/// A link with a route and a visit of it, both confirmed.
fn visited(folder: &Folder) -> (Server, Peer, Link) {
    let server = Server::bind(&folder.socket());
    let link = Link::start(folder.options()).unwrap();
    let mut peer = server.accept_new();
    for (name, kind) in [("users/{id}", RunKind::Route), ("users/42", RunKind::Visit)] {
        link.open(name, kind, "{}", Duration::ZERO).unwrap();
        peer.confirm_open();
    }
    (server, peer, link)
}

fn grant(peer: &mut Peer, bytes: u64) {
    peer.say(ToKernel::Credit { key: VISIT, bytes });
}

#[test]
fn a_reader_that_comes_is_told_with_its_request() {
    let folder = Folder::new();
    let (_server, mut peer, link) = visited(&folder);
    peer.say(ToKernel::Begin {
        key: ROUTE,
        visit: 7,
        request: r#"{"path":"users/7"}"#,
    });
    let begun = command(&link, |it| matches!(it, Command::Begin { .. }));
    let request = r#"{"path":"users/7"}"#.to_owned();
    let expected = Command::Begin {
        key: ROUTE,
        visit: 7,
        request,
    };
    assert_eq!(begun, expected);
}

#[test]
fn what_is_sent_is_taken_from_the_credit_and_more_of_it_is_told_when_it_was_used_up() {
    let folder = Folder::new();
    let (_server, mut peer, link) = visited(&folder);
    assert_eq!((link.credit(ROUTE), link.credit(VISIT)), (None, Some(0)));
    assert!(!link.wait_for_credit(VISIT, Duration::ZERO));
    grant(&mut peer, 100);
    assert!(link.wait_for_credit(VISIT, PATIENCE));
    assert_eq!(link.credit(VISIT), Some(100));
    let is_credit = |it: &Command| *it == Command::Credit { key: VISIT };
    command(&link, is_credit);
    let cost = event_cost(0, 0, "data: 1\n\n".len()) as i64;
    send(&link, VISIT, "1");
    assert_eq!(link.credit(VISIT), Some(100 - cost));
    send(&link, VISIT, "2");
    assert_eq!(link.credit(VISIT), Some(100 - 2 * cost));
    grant(&mut peer, 2 * cost as u64);
    // What was granted before is not taken back, and what was used up is none.
    grant(&mut peer, 50);
    grant(&mut peer, 2 * cost as u64 + 1);
    command(&link, is_credit);
    assert_eq!(link.credit(VISIT), Some(1));
    send(&link, ROUTE, "of no reader");
    assert_eq!(link.credit(VISIT), Some(1));
}

#[test]
fn who_waits_for_credit_is_let_go_when_the_reader_leaves() {
    let folder = Folder::new();
    let (_server, mut peer, link) = visited(&folder);
    let waiting = link.clone();
    let waiter = std::thread::spawn(move || waiting.wait_for_credit(VISIT, PATIENCE));
    peer.say(ToKernel::Stop { key: VISIT });
    assert!(waiter.join().unwrap());
    assert_eq!(link.credit(VISIT), Some(0));
    link.end(VISIT, EndReason::Stopped, "").unwrap();
    assert_eq!(link.credit(VISIT), None);
}

#[test]
fn a_head_stands_before_the_first_event_and_is_repeated_with_it() {
    let folder = Folder::new();
    let (server, mut peer, link) = visited(&folder);
    let head = r#"{"headers":{"x":"y"}}"#;
    link.head(VISIT, head).unwrap();
    send(&link, VISIT, "1");
    let expected = [
        Said::Head {
            seq: 3,
            key: VISIT,
            head: head.to_owned(),
        },
        event(4, VISIT, "1"),
    ];
    assert_eq!(peer.until(4), expected);
    drop(peer);
    let mut peer = server.accept();
    peer.next();
    peer.welcome(true, 2);
    assert_eq!(peer.until(4), expected);
}

#[test]
fn a_server_that_started_anew_gets_the_route_again_and_its_visits_are_over() {
    let folder = Folder::new();
    let (server, mut peer, link) = visited(&folder);
    grant(&mut peer, 100);
    send(&link, VISIT, "1");
    peer.until(3);
    peer.ack(2);
    drop(peer);
    let mut peer = server.accept_new();
    let Said::Open { seq, key, .. } = peer.next() else {
        panic!("the route expected")
    };
    assert_eq!((seq, key), (0, ROUTE));
    // What was not confirmed comes under a key that this server does not know.
    assert_eq!(peer.next(), event(3, VISIT, "1"));
    command(&link, |it| *it == Command::Stop { key: VISIT });
    assert!(link.wait_for_credit(VISIT, Duration::ZERO));
    let Err(SendError::Refused(refusal)) = attempt(&link, VISIT, "2") else {
        panic!("a refusal expected")
    };
    assert_eq!(refusal.reason, "gone");
    link.end(VISIT, EndReason::Stopped, "").unwrap();
}

#[test]
fn dropped_events_of_a_visit_give_their_credit_back() {
    let folder = Folder::new();
    let mut options = folder.options();
    options.max_unsent_bytes = 16 * 1024;
    options.overflow_after = Duration::ZERO;
    let server = Server::bind(&folder.socket());
    let link = Link::start(options).unwrap();
    let mut peer = server.accept_new();
    for (name, kind) in [("users/{id}", RunKind::Route), ("users/42", RunKind::Visit)] {
        link.open(name, kind, "{}", Duration::ZERO).unwrap();
        peer.confirm_open();
    }
    let text = "x".repeat(1000);
    let before = link.stats().unwrap().queued_events;
    let started = Instant::now();
    while link.stats().unwrap().lost_events == 0 && started.elapsed() < PATIENCE {
        send(&link, VISIT, &text);
    }
    let stats = link.stats().unwrap();
    assert!(stats.lost_events > 0);
    let kept = stats.queued_events - before - stats.lost_events;
    let cost = event_cost(0, 0, "data: \n\n".len() + 1000);
    let spent = eventually("the account", || link.credit(VISIT));
    assert_eq!(spent, -((kept * cost) as i64));
}

#[test]
fn a_pattern_that_is_none_is_refused_without_a_server() {
    let folder = Folder::new();
    let link = Link::start(folder.options()).unwrap();
    let refused = link.open("users/{}", RunKind::Route, "", Duration::ZERO);
    assert!(matches!(refused, Err(OpenError::Pattern(_))));
}
