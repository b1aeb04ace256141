//! What becomes of links that break, come back, or were never what they seemed.

use std::io::Read;
use std::time::{Duration, Instant};

use jupyter_sse_codec::RunKind;
use jupyter_sse_codec::frame::ToKernel;
use jupyter_sse_hub::Hub;

use crate::client::Client;
use crate::kernel::{Kernel, start_with_links};

fn state_of(hub: &Hub, name: &str) -> String {
    hub.stream(name).unwrap()["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_link_that_dials_again_takes_the_place_of_its_old_connection() {
    let (hub, path) = start_with_links("again");
    let mut old = Kernel::dial(&path, 1);
    old.open(1, 7, RunKind::Run, "a", "{}").unwrap();
    let mut new = Kernel::dial(&path, 1);
    let last = new.hear(|frame| match frame {
        ToKernel::Welcome { last_seq, .. } => Some(last_seq),
        _ => None,
    });
    assert_eq!(last, 1);
    // The hub closes the old connection, and does not take that for the end of the link.
    let mut rest = Vec::new();
    old.stream.read_to_end(&mut rest).unwrap();
    new.send(2, 7, "x");
    assert_eq!(Client::one(&hub, "a").texts(1), ["x"]);
    assert_eq!(state_of(&hub, "a"), "live");
    hub.end("a").unwrap();
    new.hear(|frame| matches!(frame, ToKernel::Stop { key: 7 }).then_some(()));
}

#[test]
fn a_link_that_breaks_and_comes_back_is_live_again() {
    let (hub, path) = start_with_links("back");
    let mut kernel = Kernel::dial(&path, 1);
    kernel.open(1, 7, RunKind::Run, "a", "{}").unwrap();
    for round in 0..20 {
        drop(kernel);
        wait_until("the stream is lost", || state_of(&hub, "a") == "lost");
        kernel = Kernel::dial(&path, 1);
        kernel.send(round + 2, 7, "x");
        kernel.hear_ack(round + 2);
        assert_eq!(state_of(&hub, "a"), "live");
    }
}
