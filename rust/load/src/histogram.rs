//! How long things took: counts by duration, exact below 128 ns and to one part in 64 above.

/// Steps in every power of two.
const STEPS: u64 = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// See the module's text.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        let places = (64 - STEP_BITS as usize + 1) * STEPS as usize;
        Self {
            counts: vec![0; places],
            total: 0,
            max: 0,
        }
    }
}

impl Histogram {
    /// Counts one duration, ns.
    pub fn record(&mut self, value: u64) {
        self.counts[place(value)] += 1;
        self.total += 1;
        self.max = self.max.max(value);
    }

    /// What the share `q` (0 to 1) of all durations does not exceed, in ms; `None` where there are none.
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        if self.total == 0 {
            return None;
        }
        let rank = ((self.total as f64 * q).ceil() as u64).clamp(1, self.total);
        let mut seen = 0;
        for (place, &count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(middle(place).min(self.max) as f64 / 1e6);
            }
        }
        self.max_ms()
    }

    /// The longest, in ms; `None` where there are none.
    pub fn max_ms(&self) -> Option<f64> {
        (self.total > 0).then_some(self.max as f64 / 1e6)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
        self.max = 0;
    }
}

fn place(value: u64) -> usize {
    if value < 2 * STEPS {
        return value as usize;
    }
    let shift = value.ilog2() - STEP_BITS;
    shift as usize * STEPS as usize + (value >> shift) as usize
}

/// The duration in the middle of a place.
fn middle(place: usize) -> u64 {
    let place = place as u64;
    if place < 2 * STEPS {
        return place;
    }
    let shift = place / STEPS - 1;
    let low = (place - shift * STEPS) << shift;
    low + (1 << shift) / 2
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Histogram;

    #[test]
    fn quantiles_are_right_to_one_part_in_sixty_four() {
        let mut histogram = Histogram::default();
        for value in 1..=100_000 {
            histogram.record(value * 1000);
        }
        for (q, expected) in [(0.5, 50.0), (0.99, 99.0), (0.001, 0.1)] {
            let got = histogram.quantile_ms(q).unwrap();
            assert!((got - expected).abs() <= expected / 64.0, "{q}: {got}");
        }
        assert!((histogram.max_ms().unwrap() - 100.0).abs() < 1e-9);
    }

    #[test]
    fn one_slow_delivery_of_a_thousand_is_beyond_p99_and_is_the_longest() {
        let mut histogram = Histogram::default();
        for _ in 0..999 {
            histogram.record(1_000_000);
        }
        histogram.record(5_000_000_000);
        assert!(histogram.quantile_ms(0.99).unwrap() < 1.1);
        assert!((histogram.max_ms().unwrap() - 5000.0).abs() < 1e-9);
    }

    #[test]
    fn the_largest_number_has_a_place_and_nothing_has_no_quantile() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_ms(0.5), None);
        histogram.record(u64::MAX);
        assert!(histogram.quantile_ms(0.5).is_some());
        histogram.clear();
        assert_eq!(histogram.max_ms(), None);
    }
}
