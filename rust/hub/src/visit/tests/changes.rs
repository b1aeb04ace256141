//! Producers that come and go, and bounds.

use super::*;

#[test]
fn a_route_that_is_defined_again_gives_connected_readers_its_new_generator() {
    let hall = Hall::new("users/{user_id}");
    let mut reader = hall.visited();
    hall.send(VISIT, "old");
    let text = reader.read();
    let id = text
        .split("id: ")
        .nth(1)
        .unwrap()
        .split('\n')
        .next()
        .unwrap();
    assert_eq!(hall.open_route(LINK, 2, "users/{name}"), [is_opened(2)]);
    let told = hall.outbox();
    let [
        Told::Stop { key: VISIT },
        Told::Begin {
            key: 2,
            visit,
            request,
        },
    ] = told.as_slice()
    else {
        panic!("a stop and a begin expected, got {told:?}")
    };
    assert_eq!(request["path_params"], json!({"name": "42"}));
    assert_eq!(request["last_event_id"], *id);
    // The old generator's last words are of a run that is over.
    hall.send(VISIT, "late");
    hall.end(VISIT, EndReason::Stopped, "");
    hall.end(ROUTE, EndReason::Stopped, "");
    let opened = hall.open_visit(VISIT + 1, *visit);
    assert!(
        matches!(opened.as_slice(), [_, Told::Credit { bytes: WINDOW, .. }]),
        "{opened:?}"
    );
    hall.send(VISIT + 1, "new");
    let text = reader.read();
    assert!(
        text.contains("data: new\n") && !text.contains("late") && !text.contains("sse.end"),
        "{text}"
    );
    reader.leave();
    assert!(lock(&hall.state).visits.counts.is_empty());
}

#[test]
fn several_routes_are_read_over_one_connection_with_streams() {
    let hall = Hall::new("users/{user_id}");
    hall.open(LINK, 5, RunKind::Run, "news", "{}");
    let mut reader = hall
        .come(several(&["users/42", "news", "nothing"]))
        .unwrap();
    let (number, _) = hall.begun();
    hall.open_visit(VISIT, number);
    hall.send(VISIT, "1");
    hall.send(5, "2");
    let text = reader.read();
    for expected in ["event: users/42:message\n", "event: news:message\n"] {
        assert!(text.contains(expected), "{text}");
    }
    let ends = ends_in(&text);
    assert_eq!((ends.len(), &ends[0]["stream"]), (1, &json!("nothing")));
    // Nobody waits for the head of such a response.
    assert_eq!(hall.answers(), []);
    hall.end(VISIT, EndReason::Done, "");
    let end = &ends_in(&reader.read())[0];
    assert_eq!(end["reason"], "done");
    assert!(end["cursor"].as_str().unwrap().contains("-end-"), "{end}");
    // It reads on, and a generator that is defined again is read by it.
    hall.open_route(LINK, 2, "users/{user_id}");
    let told = hall.outbox();
    assert!(
        matches!(told.as_slice(), [Told::Begin { key: 2, .. }]),
        "{told:?}"
    );
    reader.reader.subscription.remove("users/42");
    let state = &mut lock(&hall.state);
    reader.reader.subscription.call_again_on_routes(state, 0);
    assert_eq!(state.visits.len(), 0);
}

#[test]
fn a_kernel_that_is_gone_ends_all_its_runs_as_lost() {
    let hall = Hall::new("users/{user_id}");
    let mut open = hall.visited();
    let mut waiting = hall.come(single("users/1")).unwrap();
    let link = &LINK;
    lock(&hall.state).link_down(link);
    lock(&hall.state).link_gone(link, 1000);
    for reader in [&mut open, &mut waiting] {
        assert_eq!(ends_in(&reader.read())[0]["reason"], "lost");
    }
    // Whoever waits for the head gets it, for there is an end to be read.
    assert_eq!(hall.answers().len(), 2);
    assert!(matches!(
        hall.come(single("users/1")),
        Err(Refusal::Unknown(_))
    ));
    assert!(lock(&hall.state).visits.begins.is_empty());
}

#[test]
fn a_link_that_is_up_again_is_told_what_it_may_have_missed() {
    let hall = Hall::new("users/{user_id}");
    let mut reads = hall.visited();
    let leaves = hall.come(single("users/2")).unwrap();
    let (number, _) = hall.begun();
    hall.open_visit(VISIT + 1, number);
    let waits = hall.come(single("users/3")).unwrap();
    let (number, _) = hall.begun();
    lock(&hall.state).link_down(&LINK);
    hall.send(VISIT, &"x".repeat(20_000));
    reads.read();
    leaves.leave();
    hall.outbox();
    let told = hall.link_up(LINK, "k1");
    let cost = 64 + 20_000 + 8;
    let again = Told::Credit {
        key: VISIT,
        bytes: cost + WINDOW,
    };
    assert!(told.contains(&again), "{told:?}");
    assert!(told.contains(&Told::Stop { key: VISIT + 1 }), "{told:?}");
    // Under another number: who has heard the first may be about to open it.
    let (second, _) = hall.begun();
    let key = VISIT + 2;
    let reason = "gone".to_owned();
    assert_eq!(hall.open_visit(key, number), [Told::Opened { key, reason }]);
    assert_eq!(hall.open_visit(VISIT + 3, second).len(), 2);
    drop(waits);
}

#[test]
fn a_route_that_is_taken_away_lets_those_go_who_wait_and_leaves_those_who_read() {
    let hall = Hall::new("users/{user_id}");
    let mut reads = hall.visited();
    let mut waits = hall.come(single("users/1")).unwrap();
    hall.end(ROUTE, EndReason::Done, "");
    assert_eq!(ends_in(&waits.read())[0]["reason"], "stopped");
    hall.send(VISIT, "1");
    assert!(reads.read().contains("data: 1\n"));
    assert!(matches!(
        hall.come(single("users/1")),
        Err(Refusal::Unknown(_))
    ));
    assert_eq!(lock(&hall.state).describe_routes(), json!([]));
    reads.leave();
    waits.leave();
    assert!(lock(&hall.state).visits.counts.is_empty());
}

#[test]
fn readers_of_one_kernel_are_bounded_also_those_who_come_and_go() {
    let hall = Hall::new("users/{user_id}");
    for _ in 0..MAX_VISITS {
        hall.come(single("users/1")).unwrap().leave();
        hall.outbox();
    }
    assert!(matches!(
        hall.come(single("users/1")),
        Err(Refusal::Limit(_))
    ));
    let mut reader = hall.come(several(&["users/1"])).unwrap();
    assert_eq!(ends_in(&reader.read())[0]["status"], 503);
    // The kernel has heard of one.
    let number = *lock(&hall.state).visits.begins.keys().next().unwrap();
    hall.open_visit(VISIT, number);
    hall.come(single("users/1")).unwrap();
}

#[test]
fn a_request_is_bounded() {
    let hall = Hall::new("users/{user_id}");
    let mut query = single("users/1");
    query.request = Some(" ".repeat(16 << 10) + "{}");
    assert!(matches!(hall.come(query.clone()), Err(Refusal::Large(_))));
    query.wants.single = false;
    let mut reader = hall.come(query).unwrap();
    assert_eq!(ends_in(&reader.read())[0]["status"], 431);
    reader.leave();
    assert_eq!(lock(&hall.state).streams().count(), 0);
}

#[test]
fn visits_take_no_place_of_streams_and_their_ends_are_kept_for_their_readers() {
    let hall = Hall::new("users/{user_id}");
    lock(&hall.state).options_mut().max_streams = 1;
    let mut reader = hall.visited();
    hall.end(VISIT, EndReason::Done, "");
    assert_eq!(hall.open(LINK, 5, RunKind::Run, "a", "{}"), [is_opened(5)]);
    // Of two, one has to go: the one that has ended and that others can read.
    hall.end(5, EndReason::Done, "");
    assert_eq!(hall.open(LINK, 6, RunKind::Run, "b", "{}"), [is_opened(6)]);
    lock(&hall.state).keep_house(u64::MAX);
    assert_eq!(ends_in(&reader.read())[0]["reason"], "done");
}

#[test]
fn what_is_no_event_counts_and_is_told() {
    let hall = Hall::new("users/{user_id}");
    let mut reader = hall.visited();
    let frame = ToHub::Event {
        seq: 0,
        key: VISIT,
        event: b"",
        id: b"",
        body: b"not a block",
    };
    hall.say(LINK, &frame);
    assert!(reader.read().contains("event: sse.gap\n"));
    let received = lock(&hall.state)
        .visits
        .all
        .values()
        .next()
        .unwrap()
        .received;
    assert_eq!(received, 64 + 11);
    let incoming = Incoming {
        event: b"",
        id: b"",
        body: b"data: 1\n\n",
    };
    let key = reader.reader.subscription.visits()[0];
    assert!(lock(&hall.state).append(key, 0, incoming).is_some());
}
