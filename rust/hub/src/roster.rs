//! Who is connected, and how many of each user and from each address.

use std::collections::HashMap;

use crate::state::State;

/// A connected reader, as far as bounds and permissions are concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Guest {
    /// Who reads.
    pub(crate) user: String,
    /// Where from; empty: by the links' door.
    pub(crate) address: String,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    /// By the connection's public name.
    all: HashMap<String, Guest>,
    users: HashMap<String, usize>,
    addresses: HashMap<String, usize>,
}

impl Roster {
    /// A reader came.
    pub(crate) fn enter(&mut self, connection: &str, guest: Guest) {
        *self.users.entry(guest.user.clone()).or_default() += 1;
        *self.addresses.entry(guest.address.clone()).or_default() += 1;
        self.all.insert(connection.to_owned(), guest);
    }

    /// It left.
    pub(crate) fn leave(&mut self, connection: &str) {
        if let Some(guest) = self.all.remove(connection) {
            take_one(&mut self.users, &guest.user);
            take_one(&mut self.addresses, &guest.address);
        }
    }

    /// Whose connection it is.
    pub(crate) fn user(&self, connection: &str) -> Option<&str> {
        self.all.get(connection).map(|guest| guest.user.as_str())
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
    pub(crate) fn reader_came(&mut self, connection: &str, guest: Guest) {
        self.counters.connections += 1;
        self.counters.connections_opened += 1;
        self.connections.enter(connection, guest);
    }

    /// It is gone.
    pub(crate) fn reader_left(&mut self, connection: &str) {
        self.counters.connections = self.counters.connections.saturating_sub(1);
        self.connections.leave(connection);
    }
}

/// Counts one less; none left is none kept.
fn take_one(counts: &mut HashMap<String, usize>, key: &str) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Guest, Roster};

    #[test]
    fn users_and_addresses_are_counted_while_they_are_there_and_cost_nothing_afterwards() {
        let mut roster = Roster::default();
        let guests = [
            ("1", "ada", "here"),
            ("2", "ada", "there"),
            ("3", "bob", "here"),
        ];
        for (connection, user, address) in guests {
            let (user, address) = (user.to_owned(), address.to_owned());
            roster.enter(connection, Guest { user, address });
        }
        assert_eq!(
            (
                roster.len(),
                roster.of_user("ada"),
                roster.of_address("here")
            ),
            (3, 2, 2)
        );
        assert_eq!(roster.user("3"), Some("bob"));
        for connection in ["1", "2", "3", "3"] {
            roster.leave(connection);
        }
        assert_eq!(
            (roster.len(), roster.users.len(), roster.addresses.len()),
            (0, 0, 0)
        );
    }
}
