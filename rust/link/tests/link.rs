//! A link and a server on a real socket: what a kernel can rely on.

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

use std::thread;
use std::time::{Duration, Instant};

use jupyter_sse_codec::encode_body;
use jupyter_sse_codec::frame::{ToKernel, VERSION};
use jupyter_sse_link::{
    Command, EndReason, Gone, Link, OpenError, Opened, Refusal, RequestError, RunKind, SendError,
};
use server::{Folder, PATIENCE, Said, Server, attempt, command, event, eventually, send};

const SECOND: Duration = Duration::from_secs(1);

/// A link whose stream `a` is confirmed, and its server.
fn linked(folder: &Folder) -> (Server, server::Peer, Link, u32) {
    let server = Server::bind(&folder.socket());
    let link = Link::start(folder.options()).unwrap();
    let mut peer = server.accept_new();
    let opening = thread::spawn({
        let link = link.clone();
        move || link.open("a", RunKind::Run, "{}", PATIENCE)
    });
    assert!(
        matches!(peer.confirm_open(), Said::Open { seq: 1, key: 1, stream, .. } if stream == "a")
    );
    let opened = opening.join().unwrap().unwrap();
    assert_eq!(
        opened,
        Opened {
            key: 1,
            run: Some(7)
        }
    );
    (server, peer, link, opened.key)
}

#[test]
fn events_arrive_in_order_and_flush_returns_after_the_receipt() {
    let folder = Folder::new();
    let (_server, mut peer, link, key) = linked(&folder);
    send(&link, key, "one");
    send(&link, key, "two");
    assert_eq!(peer.until(3), [event(2, key, "one"), event(3, key, "two")]);
    assert!(!link.flush(Some(Duration::ZERO)));
    peer.ack(2);
    assert!(!link.flush(Some(Duration::from_millis(5))));
    peer.ack(3);
    assert!(link.flush(Some(PATIENCE)));
    let stats = link.stats().unwrap();
    assert_eq!(
        (
            stats.queued_events,
            stats.lost_events,
            stats.unconfirmed_frames
        ),
        (2, 0, 0)
    );
    assert_eq!(stats.unconfirmed_bytes, 0);
}

#[test]
fn type_id_and_body_arrive_as_they_were_sent() {
    let folder = Folder::new();
    let (_server, mut peer, link, key) = linked(&folder);
    let write_body = |out: &mut Vec<u8>| encode_body(out, Some("a\r\nb"), Some(3), Some("hi"));
    assert!(
        link.send(key, Some("status"), Some("17"), write_body)
            .is_ok()
    );
    let (event, id) = ("status".to_owned(), "17".to_owned());
    let body = "data: a\ndata: b\nretry: 3\n: hi\n\n".to_owned();
    assert_eq!(
        peer.next(),
        Said::Event {
            seq: 2,
            key,
            event,
            id,
            body
        }
    );
}

#[test]
fn a_path_that_does_not_exist_yet_delays_nobody_and_is_found_later() {
    let folder = Folder::new();
    let begin = Instant::now();
    let link = Link::start(folder.options()).unwrap();
    let opened = link.open("a", RunKind::Run, "", PATIENCE).unwrap();
    send(&link, opened.key, "early");
    assert!(
        begin.elapsed() < PATIENCE / 2,
        "nobody is there to wait for"
    );
    assert_eq!((opened.run, link.is_linked()), (None, false));
    let server = Server::bind(&folder.socket());
    let mut peer = server.accept_new();
    peer.confirm_open();
    assert_eq!(peer.next(), event(2, opened.key, "early"));
    assert_eq!(command(&link, |_| true), Command::Linked);
    assert_eq!(eventually("the run", || link.run_of(opened.key)), 7);
    assert_eq!(
        link.server().as_deref(),
        Some(r#"{"url":"http://x","pid":1}"#)
    );
}

#[test]
fn frames_that_come_a_byte_at_a_time_are_understood() {
    let folder = Folder::new();
    let server = Server::bind(&folder.socket());
    let link = Link::start(folder.options()).unwrap();
    let mut peer = server.accept();
    peer.next();
    peer.say_in_bytes(server::welcome(false, 0));
    assert_eq!(command(&link, |_| true), Command::Linked);
    let key = link
        .open("a", RunKind::Run, "", Duration::ZERO)
        .unwrap()
        .key;
    peer.next();
    peer.say_in_bytes(ToKernel::Stop { key });
    assert_eq!(command(&link, |_| true), Command::Stop { key });
}

#[test]
fn an_event_of_a_megabyte_arrives_whole() {
    let folder = Folder::new();
    let (_server, mut peer, link, key) = linked(&folder);
    let data = "x".repeat(1024 * 1024 - 8);
    send(&link, key, "before");
    send(&link, key, &data);
    send(&link, key, "after");
    assert_eq!(
        peer.until(4),
        [
            event(2, key, "before"),
            event(3, key, &data),
            event(4, key, "after")
        ]
    );
}

#[test]
fn an_open_that_the_hub_refuses_is_an_error_with_its_words() {
    let folder = Folder::new();
    let (_server, mut peer, link, _) = linked(&folder);
    let opening = thread::spawn({
        let link = link.clone();
        move || link.open("b", RunKind::Run, "", PATIENCE)
    });
    let Said::Open { key, request, .. } = peer.next() else {
        panic!("an open expected")
    };
    peer.say(ToKernel::Opened {
        request,
        key,
        run: 0,
        error: r#"{"reason":"owned","message":"taken by k2"}"#,
    });
    let refusal = Refusal {
        reason: "owned".to_owned(),
        message: "taken by k2".to_owned(),
    };
    assert_eq!(opening.join().unwrap(), Err(OpenError::Refused(refusal)));
    assert_eq!(attempt(&link, key, ""), Err(SendError::NotOpen));
    assert_eq!(
        link.next_command(Some(Duration::ZERO)),
        Some(Command::Linked)
    );
    assert_eq!(
        link.next_command(Some(Duration::ZERO)),
        None,
        "the error has told it"
    );
}

#[test]
fn a_refusal_that_comes_late_is_a_command_and_stops_sending() {
    let folder = Folder::new();
    let (_server, mut peer, link, _) = linked(&folder);
    let key = link
        .open("b", RunKind::Run, "", Duration::ZERO)
        .unwrap()
        .key;
    let Said::Open { request, .. } = peer.next() else {
        panic!("an open expected")
    };
    peer.say(ToKernel::Opened {
        request,
        key,
        run: 0,
        error: r#"{"reason":"owned","message":"taken"}"#,
    });
    let refusal = Refusal {
        reason: "owned".to_owned(),
        message: "taken".to_owned(),
    };
    let refused = Command::Refused {
        key,
        refusal: refusal.clone(),
    };
    assert_eq!(
        command(&link, |command| *command != Command::Linked),
        refused
    );
    assert_eq!(attempt(&link, key, ""), Err(SendError::Refused(refusal)));
    assert_eq!(link.end(key, EndReason::Done, ""), Ok(()));
    assert_eq!(attempt(&link, key, ""), Err(SendError::NotOpen));
}

#[test]
fn a_name_that_no_stream_can_have_is_refused_without_a_server() {
    let folder = Folder::new();
    let link = Link::start(folder.options()).unwrap();
    assert!(matches!(
        link.open("a//b", RunKind::Run, "", SECOND),
        Err(OpenError::Name(_))
    ));
}

#[test]
fn nothing_is_sent_after_the_end() {
    let folder = Folder::new();
    let (_server, mut peer, link, key) = linked(&folder);
    send(&link, key, "last");
    assert_eq!(
        link.end(key, EndReason::Error, r#"{"type":"E","message":"m"}"#),
        Ok(())
    );
    assert_eq!(attempt(&link, key, ""), Err(SendError::NotOpen));
    assert_eq!(link.end(key, EndReason::Done, ""), Err(SendError::NotOpen));
    assert_eq!(
        peer.until(3),
        [
            event(2, key, "last"),
            Said::End {
                seq: 3,
                key,
                reason: 2
            }
        ]
    );
}

#[test]
fn a_request_is_answered_past_a_backlog_that_nobody_confirms() {
    let folder = Folder::new();
    let (_server, mut peer, link, key) = linked(&folder);
    for _ in 0..10_000 {
        send(&link, key, "event");
    }
    let asker = thread::spawn({
        let link = link.clone();
        move || link.request(r#"{"op":"list"}"#, PATIENCE)
    });
    let request = loop {
        if let Said::Request { request, body } = peer.next() {
            assert_eq!(body, r#"{"op":"list"}"#);
            break request;
        }
    };
    peer.say(ToKernel::Answer {
        request,
        status: 200,
        body: "[]",
    });
    assert_eq!(asker.join().unwrap(), Ok((200, "[]".to_owned())));
}

#[test]
fn a_request_without_a_server_says_so() {
    let folder = Folder::new();
    let link = Link::start(folder.options()).unwrap();
    let answer = link.request("{}", Duration::from_millis(10));
    assert_eq!(answer, Err(RequestError::TimedOut { is_linked: false }));
}

#[test]
fn a_request_that_a_dying_server_took_along_is_asked_again() {
    let folder = Folder::new();
    let (server, mut peer, link, _) = linked(&folder);
    let asker = thread::spawn(move || link.request("{}", PATIENCE));
    assert!(matches!(peer.next(), Said::Request { .. }));
    drop(peer);
    let mut peer = server.accept();
    assert!(matches!(peer.next(), Said::Hello { .. }));
    peer.welcome(true, 1);
    let Said::Request { request, .. } = peer.next() else {
        panic!("a request expected")
    };
    peer.say(ToKernel::Answer {
        request,
        status: 404,
        body: "",
    });
    assert_eq!(asker.join().unwrap(), Ok((404, String::new())));
}

#[test]
fn close_delivers_what_is_queued_and_hangs_up() {
    let folder = Folder::new();
    let (_server, mut peer, link, key) = linked(&folder);
    for _ in 0..1000 {
        send(&link, key, "x");
    }
    let closer = thread::spawn({
        let link = link.clone();
        move || link.close(PATIENCE)
    });
    assert_eq!(peer.until(1001).len(), 1000);
    peer.ack(1001);
    assert!(closer.join().unwrap());
    assert_eq!(peer.try_next(), None);
    assert_eq!(attempt(&link, key, ""), Err(SendError::Gone(Gone::Closed)));
    assert_eq!(
        link.open("b", RunKind::Run, "", SECOND),
        Err(OpenError::Gone(Gone::Closed))
    );
    assert_eq!(link.next_command(None), Some(Command::Linked));
    assert_eq!(
        link.next_command(None),
        None,
        "a closed link lets its readers go"
    );
    assert!(
        !link.close(SECOND) || link.flush(None),
        "closing again is harmless"
    );
}

#[test]
fn close_gives_up_at_its_deadline() {
    let folder = Folder::new();
    let (_server, _peer, link, key) = linked(&folder);
    send(&link, key, "x");
    assert!(!link.close(Duration::from_millis(10)));
}

#[test]
fn dropping_the_last_handle_hangs_up() {
    let folder = Folder::new();
    let (_server, mut peer, link, _) = linked(&folder);
    let other = link.clone();
    drop(link);
    assert!(other.is_linked());
    drop(other);
    assert_eq!(peer.try_next(), None);
}

#[test]
fn threads_that_send_at_once_keep_each_their_order() {
    const THREADS: usize = 8;
    const EVENTS: usize = 20_000;
    let folder = Folder::new();
    let (_server, mut peer, link, key) = linked(&folder);
    let senders: Vec<_> = (0..THREADS)
        .map(|sender| {
            let link = link.clone();
            thread::spawn(move || {
                for number in 0..EVENTS {
                    send(&link, key, &format!("{sender} {number}"));
                }
            })
        })
        .collect();
    let mut next = [0; THREADS];
    for (index, said) in peer
        .until(1 + (THREADS * EVENTS) as u64)
        .into_iter()
        .enumerate()
    {
        assert_eq!(said.seq(), index as u64 + 2);
        let Said::Event { body, .. } = said else {
            panic!("an event expected, got {said:?}")
        };
        let (sender, number) = body["data: ".len()..].trim_end().split_once(' ').unwrap();
        let sender: usize = sender.parse().unwrap();
        assert_eq!(number.parse(), Ok(next[sender]));
        next[sender] += 1;
    }
    assert_eq!(next, [EVENTS; THREADS]);
    for sender in senders {
        sender.join().unwrap();
    }
}

#[test]
fn an_event_after_any_pause_wakes_the_thread() {
    let folder = Folder::new();
    let (_server, mut peer, link, key) = linked(&folder);
    for number in 0..2000_u64 {
        send(&link, key, "x");
        assert_eq!(peer.next().seq(), number + 2);
        peer.ack(number + 2);
        // From back to back to well after the thread has gone to sleep, across every point between.
        thread::sleep(Duration::from_micros(number % 300));
    }
    assert!(link.flush(Some(PATIENCE)));
}

#[test]
fn a_server_of_another_version_is_told_once_and_never_linked() {
    let folder = Folder::new();
    let server = Server::bind(&folder.socket());
    let link = Link::start(folder.options()).unwrap();
    for _ in 0..3 {
        let mut peer = server.accept();
        peer.next();
        peer.say(ToKernel::Welcome {
            version: 99,
            epoch: "",
            known: false,
            last_seq: 0,
            server: "",
        });
        assert_eq!(peer.try_next(), None);
    }
    let Some(Command::Unlinked { reason }) = link.next_command(Some(PATIENCE)) else {
        panic!("it must be told")
    };
    assert!(reason.contains("version 99"), "{reason}");
    assert_eq!(link.next_command(Some(Duration::ZERO)), None);
    assert!(!link.is_linked());
}

#[test]
fn a_server_that_hangs_up_without_a_welcome_is_told_once() {
    let folder = Folder::new();
    let server = Server::bind(&folder.socket());
    let link = Link::start(folder.options()).unwrap();
    for _ in 0..3 {
        server.accept().next();
    }
    let told = link.next_command(Some(PATIENCE));
    assert!(
        matches!(told, Some(Command::Unlinked { reason }) if reason.contains("same jupyter_sse"))
    );
    assert_eq!(link.next_command(Some(Duration::ZERO)), None);
}

#[test]
fn the_smaller_of_both_sides_limits_holds() {
    let folder = Folder::new();
    let mut options = folder.options();
    options.max_event_bytes = 5000;
    let server = Server::bind(&folder.socket());
    let link = Link::start(options).unwrap();
    for (said, limit) in [
        ("{}", 5000),
        (r#"{"max_event_bytes":100}"#, 100),
        (r#"{"max_event_bytes":9000}"#, 5000),
    ] {
        let mut peer = server.accept();
        peer.next();
        peer.say(ToKernel::Welcome {
            version: VERSION,
            epoch: "",
            known: false,
            last_seq: 0,
            server: said,
        });
        eventually("the limit", || {
            (link.server()? == said && link.max_event_bytes() == limit).then_some(())
        });
    }
}

#[test]
fn a_path_that_no_socket_can_have_is_an_error_at_the_start() {
    let mut options = Folder::new().options();
    options.path = "/tmp".to_owned().repeat(60).into();
    assert!(Link::start(options).is_err());
}
