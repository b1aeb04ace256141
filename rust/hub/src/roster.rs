//! Who is connected, and how many of each user and from each address.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use crate::number_map::NumberMap;
use crate::random;
use crate::state::State;

/// Names a connection for `POST /api/sse/connections/<id>`: 22 random base62 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionName([u8; 22]);

impl ConnectionName {
    pub(crate) fn draw() -> Self {
        Self(random::base62())
    }

    /// The name that this text is; `None`: it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let bytes = text.as_bytes().try_into().ok().filter(|_| is_name);
        bytes.map(Self)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in, so the default never stands in for anything.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for ConnectionName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A connected reader, as far as bounds and permissions are concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Guest {
    /// Who reads.
    pub user: String,
    /// Where from; empty: by the links' door.
    pub address: String,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    all: NumberMap<ConnectionName, Arc<Guest>>,
    /// How many connections each has. Thousands may come from one: they share it.
    guests: HashMap<Arc<Guest>, usize>,
    users: HashMap<String, usize>,
    addresses: HashMap<String, usize>,
}

impl Roster {
    /// This guest as those know it who are here already, if any are.
    pub(crate) fn share(&self, guest: Guest) -> Arc<Guest> {
        let known = self.guests.get_key_value(&guest);
        known.map_or_else(|| Arc::new(guest), |(known, _)| Arc::clone(known))
    }

    /// A reader came.
    pub(crate) fn enter(&mut self, connection: ConnectionName, guest: Arc<Guest>) {
        *self.users.entry(guest.user.clone()).or_default() += 1;
        *self.addresses.entry(guest.address.clone()).or_default() += 1;
        *self.guests.entry(Arc::clone(&guest)).or_default() += 1;
        self.all.insert(connection, guest);
    }

    /// It left.
    pub(crate) fn leave(&mut self, connection: ConnectionName) {
        if let Some(guest) = self.all.remove(&connection) {
            take_one(&mut self.users, &guest.user);
            take_one(&mut self.addresses, &guest.address);
            take_one(&mut self.guests, &guest);
        }
    }

    /// Whose connection it is.
    pub(crate) fn user(&self, connection: ConnectionName) -> Option<&str> {
        self.all.get(&connection).map(|guest| guest.user.as_str())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// How many of one user.
    pub(crate) fn of_user(&self, user: &str) -> usize {
        self.users.get(user).copied().unwrap_or_default()
    }

    /// How many from one address.
    pub(crate) fn of_address(&self, address: &str) -> usize {
        self.addresses.get(address).copied().unwrap_or_default()
    }
}

impl State {
    /// A reader comes in. It is counted from here on, so that of many who come at once no more are let in than there is room for.
    pub(crate) fn reader_came(&mut self, connection: ConnectionName, guest: Arc<Guest>) {
        self.counters.connections += 1;
        self.counters.connections_opened += 1;
        self.connections.enter(connection, guest);
    }

    /// It is gone.
    pub(crate) fn reader_left(&mut self, connection: ConnectionName) {
        self.counters.connections = self.counters.connections.saturating_sub(1);
        self.connections.leave(connection);
    }
}

/// Counts one less; none left is none kept.
fn take_one<K, Q>(counts: &mut HashMap<K, usize>, key: &Q)
where
    K: Borrow<Q> + Eq + Hash,
    Q: Eq + Hash + ?Sized,
{
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{ConnectionName, Guest, Roster};

    #[test]
    fn users_and_addresses_are_counted_while_they_are_there_and_cost_nothing_afterwards() {
        let mut roster = Roster::default();
        let names = [(); 3].map(|()| ConnectionName::draw());
        let guests = [("ada", "here"), ("ada", "there"), ("bob", "here")];
        for (connection, (user, address)) in names.into_iter().zip(guests) {
            let (user, address) = (user.to_owned(), address.to_owned());
            let guest = roster.share(Guest { user, address });
            roster.enter(connection, guest);
        }
        assert_eq!(
            (
                roster.len(),
                roster.of_user("ada"),
                roster.of_address("here")
            ),
            (3, 2, 2)
        );
        assert_eq!(roster.user(names[2]), Some("bob"));
        for connection in names.into_iter().chain([names[2]]) {
            roster.leave(connection);
        }
        assert_eq!(
            (roster.len(), roster.users.len(), roster.addresses.len()),
            (0, 0, 0)
        );
        assert!(roster.guests.is_empty());
    }

    #[test]
    fn guests_that_are_alike_are_kept_once() {
        let mut roster = Roster::default();
        let ada = || Guest {
            user: "ada".to_owned(),
            ..Guest::default()
        };
        let first = roster.share(ada());
        roster.enter(ConnectionName::draw(), Arc::clone(&first));
        assert!(Arc::ptr_eq(&first, &roster.share(ada())));
        assert!(!Arc::ptr_eq(&first, &roster.share(Guest::default())));
    }

    #[test]
    fn the_name_of_a_connection_reads_as_it_was_written() {
        let name = ConnectionName::draw();
        assert_eq!(ConnectionName::parse(name.as_str()), Some(name));
        for text in ["", "0123456789", "0123456789abcdefghijk-", "ééééééééééé"] {
            assert_eq!(ConnectionName::parse(text), None);
        }
    }
}
