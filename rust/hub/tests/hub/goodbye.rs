//! The hub ends: its readers get what waits for them, and hear when to come back.

use std::io::Read;
use std::time::{Duration, Instant};

use jupyter_sse_hub::Query;

use crate::client::{Client, many, publish, single, start};

/// Everything that comes until the connection ends.
fn read_all(client: &mut Client) -> Vec<u8> {
    let mut all = Vec::new();
    client.stream.read_to_end(&mut all).unwrap();
    all
}

fn ends_with_retry(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    text.ends_with("\n\n")
        && last
            .strip_prefix("retry: ")
            .is_some_and(|it| it.parse::<u64>().is_ok())
}

#[test]
fn readers_get_what_is_pending_and_a_time_to_come_back() {
    let hub = start();
    publish(&hub, "a", &["1"]);
    let mut readers: Vec<Client> = (0..20)
        .map(|number| {
            let query = if number % 2 == 0 {
                single("a", None)
            } else {
                many(&["a"])
            };
            Client::attach(&hub, query)
        })
        .collect();
    for reader in &mut readers {
        reader.read_until(|events| events.iter().any(|event| event.data == "1"));
    }
    publish(&hub, "a", &["2", "3"]);
    hub.close(Duration::from_secs(5));
    for reader in &mut readers {
        let rest = read_all(reader);
        let has_last = reader.events.iter().any(|event| event.data == "3");
        assert!(has_last || rest.windows(9).any(|it| it == b"data: 3\n\n"));
        assert!(ends_with_retry(&rest), "{:?}", rest.escape_ascii());
    }
}

#[test]
fn what_a_reader_wanted_later_it_gets_before_the_end() {
    let hub = start();
    publish(&hub, "a", &["1"]);
    let mut query = single("a", None);
    query.conflate = Some(Duration::from_secs(3600));
    let mut reader = Client::attach(&hub, Query { ..query });
    assert_eq!(reader.texts(1), ["1"]);
    publish(&hub, "a", &["2", "3"]);
    hub.close(Duration::from_secs(5));
    let rest = String::from_utf8(read_all(&mut reader)).unwrap();
    assert!(
        rest.contains("data: 3\n\n") && !rest.contains("data: 2"),
        "{rest}"
    );
}

#[test]
fn who_takes_it_slowly_has_time_and_who_takes_nothing_holds_nobody_up() {
    let hub = start();
    let text = "x".repeat(10_000);
    publish(&hub, "a", &vec![text.as_str(); 100]);
    let mut slow = Client::one(&hub, "a");
    let mut stalled = Client::one(&hub, "a");
    let mut first = [0; 1];
    slow.stream.read_exact(&mut first).unwrap();
    stalled.stream.read_exact(&mut first).unwrap();
    let reading = std::thread::spawn(move || read_all(&mut slow));
    let before = Instant::now();
    hub.close(Duration::from_secs(5));
    assert!(before.elapsed() < Duration::from_secs(2));
    let all = reading.join().unwrap();
    assert!(all.len() > 1_000_000 && ends_with_retry(&all));
    assert!(read_all(&mut stalled).len() < 1_000_000);
}

#[test]
fn what_a_portable_reader_wanted_later_it_gets_when_the_server_stops() {
    let hub = start();
    publish(&hub, "a", &["1"]);
    let mut query = single("a", None);
    query.conflate = Some(Duration::from_secs(3600));
    hub.attach_portable(hub.subscribe(query).unwrap(), Vec::new());
    let deadline = Instant::now() + Duration::from_secs(10);
    let take = |text: &[u8]| {
        loop {
            assert!(Instant::now() < deadline);
            for piece in hub.drain() {
                hub.drained(piece.id);
                if piece.bytes.windows(text.len()).any(|it| it == text) {
                    return;
                }
            }
        }
    };
    take(b"data: 1\n\n");
    publish(&hub, "a", &["2", "3"]);
    hub.let_portable_go();
    take(b"data: 3\n\n");
}
