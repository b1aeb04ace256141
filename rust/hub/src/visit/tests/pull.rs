//! Readers pull: credit, and what is held for them.

use super::*;

#[test]
fn credit_grows_with_what_the_reader_takes_and_nothing_more_is_held_than_it_has_not_taken() {
    let hall = Hall::new("users/{user_id}");
    let mut reader = hall.visited();
    let text = "x".repeat(1000);
    let cost = 64 + 1000 + 8;
    let mut sent = 0;
    while sent * cost < WINDOW {
        hall.send(VISIT, &text);
        sent += 1;
    }
    assert_eq!(hall.outbox(), []);
    let held = |hall: &Hall| lock(&hall.state).held_bytes() as u64;
    assert!(held(&hall) < WINDOW + 4000 && held(&hall) > WINDOW - 4000);
    while reader.read_once(&mut Vec::new()) {}
    let key = VISIT;
    let granted = hall.outbox();
    let bytes = sent * cost + WINDOW;
    assert_eq!(granted.last(), Some(&Told::Credit { key, bytes }));
    assert!(held(&hall) < 2000);
    // Less than a quarter of the window is not worth a frame.
    hall.send(VISIT, &text);
    reader.read();
    assert_eq!(hall.outbox(), []);
}

#[test]
fn what_a_reader_has_still_to_take_is_not_granted_again() {
    let hall = Hall::new("users/{user_id}");
    let mut query = single("users/42");
    query.wants.control = true;
    let mut reader = hall.come(query).unwrap();
    let (number, _) = hall.begun();
    hall.open_visit(VISIT, number);
    let size = 60_000;
    for _ in 0..3 {
        hall.send(VISIT, &"x".repeat(size));
    }
    // Of three it is given two at a time.
    let mut given = Vec::new();
    reader.read_once(&mut given);
    assert!(given.len() < 3 * size);
    assert!(reader.read_once(&mut Vec::new()));
    let told = hall.outbox();
    let [Told::Credit { bytes, .. }] = told.as_slice() else {
        panic!("one credit expected, got {told:?}")
    };
    let two = 2 * (size as u64 + 72);
    assert!(
        two + WINDOW - 200 < *bytes && *bytes < two + WINDOW + 200,
        "{bytes}"
    );
}
