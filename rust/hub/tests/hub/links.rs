//! What becomes of links that break, come back, or were never what they seemed.

use std::io::{Read, Write};

use jupyter_sse_codec::RunKind;
use jupyter_sse_codec::frame::{ToHub, ToKernel, VERSION};
use jupyter_sse_hub::Hub;

use crate::client::{Client, wait_until};
use crate::kernel::{Kernel, start_with_links};

fn state_of(hub: &Hub, name: &str) -> String {
    hub.stream(name).unwrap()["state"]
        .as_str()
        .unwrap()
        .to_owned()
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

#[test]
fn a_kernel_of_another_version_hears_which_one_this_is() {
    let (_hub, path) = start_with_links("version");
    let mut kernel = Kernel::connect(&path);
    kernel.say(&ToHub::Hello {
        version: VERSION + 1,
        link: [1; 16],
        kernel: "k",
        label: "l",
        pid: 1,
    });
    let version = kernel.hear(|frame| match frame {
        ToKernel::Welcome { version, .. } => Some(version),
        _ => None,
    });
    assert_eq!(version, VERSION);
    assert_eq!(kernel.stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_kernel_that_asks_and_never_listens_is_dropped() {
    let (hub, path) = start_with_links("deaf");
    let name = "x".repeat(200);
    for number in 0..300 {
        hub.publish(&format!("{number}{}", &name[3..]), &[])
            .unwrap();
    }
    let mut kernel = Kernel::dial(&path, 1);
    let mut questions = Vec::new();
    for request in 1..=1000 {
        let body = r#"{"op":"list"}"#;
        ToHub::Request { request, body }.encode(&mut questions);
    }
    // Three hundred streams take about 150 kB in each answer.
    let said = kernel.stream.write_all(&questions);
    let mut rest = Vec::new();
    let heard = kernel.stream.read_to_end(&mut rest);
    assert!(said.is_err() || heard.is_err() || rest.len() < 40 << 20);
    // On a busy machine so many answers take longer than anybody listens here.
    wait_until("the kernel is dropped", || hub.metrics()["links"] == 0);
}
