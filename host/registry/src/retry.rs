use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::settings::Timing;

/// Whether a retry may succeed.
pub(super) fn is_transient(status: StatusCode) -> bool {
    // Proxies of content networks send 520 and above when the server behind them fails.
    matches!(status.as_u16(), 408 | 429 | 500 | 502..=504 | 520..=524)
}

/// The wait that a `Retry-After` demands: seconds or a date (RFC 9110, section 10.2.3). Any other value is ignored. A
/// date in the past means no wait.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that overflow mean longer than any wait.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    // A wrong weekday does not make the date ambiguous.
    let date = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()?;
    let now = Timestamp::try_from(now).ok()?;
    let seconds = u64::try_from(date.as_second().saturating_sub(now.as_second())).unwrap_or(0);
    Some(Duration::from_secs(seconds))
}

/// The pause after the given number of tries. Half of it is random, so that clients that failed together do not retry
/// together.
pub(super) fn back_off(timing: &Timing, tries: u32) -> Duration {
    let doubled = timing.first_pause.saturating_mul(1 << tries.saturating_sub(1).min(16));
    let half = doubled.min(timing.longest_pause) / 2;
    half.saturating_add(half.mul_f64(rand::random_range(0.0..=1.0)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn asked(text: &str) -> Option<Duration> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]), now)
    }

    #[test]
    fn retry_after_takes_seconds_and_dates() {
        for (text, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Mon, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1984 08:49:37 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("880.092us", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(asked(text), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), SystemTime::now()), None);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let timing = |first_pause, longest_pause| Timing { first_pause, longest_pause, ..Timing::default() };
        let (second, longest) = (Duration::from_secs(1), Duration::from_secs(5));
        for (tries, full) in [(1, second), (2, second * 2), (3, second * 4), (4, longest), (40, longest)] {
            let pause = back_off(&timing(second, longest), tries);
            assert!(full / 2 <= pause && pause <= full, "{tries}: {pause:?}");
        }
        for tries in 0..100 {
            assert!(back_off(&timing(Duration::MAX, Duration::MAX), tries) >= Duration::MAX / 2);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_fields_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)]), SystemTime::now());
            }
        }

        #[test]
        fn text_like_a_date_does_not_panic(text in "[A-Z][a-z]{2}, [0-9]{1,3} (Jan|Feb|Nov|Foo) [0-9]{1,5} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|[+-][0-9]{4})") {
            asked(&text);
        }
    }
}
