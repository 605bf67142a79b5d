use std::time::{Duration, Instant};

/// Half-life of a sample in the rate.
const MEMORY: Duration = Duration::from_secs(3);

/// Shortest time between two samples. Blobs arrive in bursts, which shorter samples would measure.
const SAMPLE: Duration = Duration::from_millis(400);

/// Measures how fast bytes arrive, smoothed so that the figure can be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    last: Option<(Instant, u64)>,
    rate: Option<f64>,
}

impl Meter {
    /// Records the number of bytes so far. The first call sets the start, so that bytes of an earlier pull do not
    /// count as speed.
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    pub(super) fn note(&mut self, now: Instant, offset: u64) {
        let Some((since, before)) = self.last else {
            self.last = Some((now, offset));
            return;
        };
        let time = now.saturating_duration_since(since);
        if time < SAMPLE {
            return;
        }
        let sample = offset.saturating_sub(before) as f64 / time.as_secs_f64();
        let weight = 1.0 - (-time.as_secs_f64() / MEMORY.as_secs_f64()).exp2();
        self.rate = Some(self.rate.map_or(sample, |rate| rate + (sample - rate) * weight));
        self.last = Some((now, offset));
    }

    /// Bytes per second, once something has been measured.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is a finite count")]
    pub(super) fn rate(&self) -> Option<u64> {
        self.rate.map(|rate| rate as u64)
    }

    /// The time for the rest at this rate. `None` while no bytes arrive.
    pub(super) fn time_left(&self, rest: u64) -> Option<Duration> {
        let rate = self.rate().filter(|rate| *rate > 0)?;
        Some(Duration::from_secs(rest.div_ceil(rate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_has_a_steady_rate() {
        let start = Instant::now();
        let mut meter = Meter::default();
        // The first 5000 bytes were there before.
        for second in 0..20 {
            meter.note(start + Duration::from_secs(second), 5000 + second * 1000);
        }
        assert_eq!(meter.rate(), Some(1000));
        assert_eq!(meter.time_left(2500), Some(Duration::from_secs(3)));
    }

    #[test]
    fn old_samples_lose_weight() {
        let start = Instant::now();
        let mut meter = Meter::default();
        meter.note(start, 0);
        assert_eq!(meter.rate(), None);
        meter.note(start + Duration::from_millis(10), 1_000_000);
        assert_eq!(meter.rate(), None, "too short to be a measure");
        meter.note(start + Duration::from_secs(1), 1000);
        meter.note(start + Duration::from_secs(4), 1000);
        assert_eq!(meter.rate(), Some(500), "half is forgotten after the time of the memory");
        meter.note(start + Duration::from_secs(400), 1000);
        assert_eq!(meter.time_left(1), None, "it stands still");
    }
}
