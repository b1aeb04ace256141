//! Whether one reader gets every number once and in order.

/// How far back a number may come late and still be known from one that comes twice.
const WINDOW: u64 = 64;

/// The numbers that one reader has seen of one run.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    /// The highest; 0 before the first.
    pub last: u64,
    /// Bit `i`: `last - i` was seen.
    recent: u64,
    /// Skipped and not seen since.
    pub skipped: u64,
    /// Seen again.
    pub duplicates: u64,
    /// Seen after a higher one.
    pub disordered: u64,
}

impl Numbers {
    /// Takes the next number that came.
    pub fn take(&mut self, number: u64) {
        if number > self.last {
            let step = number - self.last;
            self.skipped += step - 1;
            self.recent = if step < WINDOW {
                self.recent << step | 1
            } else {
                1
            };
            self.last = number;
            return;
        }
        let back = self.last - number;
        if back < WINDOW && self.recent >> back & 1 == 0 {
            self.recent |= 1 << back;
            self.disordered += 1;
            self.skipped -= 1;
        } else {
            self.duplicates += 1;
        }
    }

    /// How many of the numbers up to `last` never came: those skipped, and those after the highest that did.
    pub fn missing(&self, last: u64) -> u64 {
        self.skipped + last.saturating_sub(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::Numbers;

    fn after(numbers: &[u64]) -> Numbers {
        let mut seen = Numbers::default();
        for &number in numbers {
            seen.take(number);
        }
        seen
    }

    fn told(numbers: &[u64]) -> (u64, u64, u64) {
        let seen = after(numbers);
        (seen.skipped, seen.duplicates, seen.disordered)
    }

    #[test]
    fn every_number_once_and_in_order_is_nothing_to_tell() {
        assert_eq!(told(&[1, 2, 3, 4, 5]), (0, 0, 0));
    }

    #[test]
    fn a_first_number_above_one_is_a_gap() {
        assert_eq!(told(&[4, 5]), (3, 0, 0));
    }

    #[test]
    fn a_number_that_comes_late_fills_its_gap() {
        assert_eq!(told(&[1, 3, 2, 4]), (0, 0, 1));
        assert_eq!(told(&[1, 3, 2, 2]), (0, 1, 1));
    }

    #[test]
    fn a_number_that_comes_twice_is_no_gap() {
        assert_eq!(told(&[1, 2, 2, 3, 1]), (0, 2, 0));
    }

    #[test]
    fn what_never_came_is_missing_also_at_the_end() {
        assert_eq!(after(&[1, 2, 5]).missing(7), 4);
        assert_eq!(after(&[]).missing(7), 7);
        assert_eq!(after(&[1, 2, 3]).missing(3), 0);
    }
}
