use std::time::Duration;

/// Parses a duration as Go writes it, such as `3s`, `1m30s` or `1.5h`. Negative durations are not accepted.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (number, after) = split_at_first(rest, |c| !c.is_ascii_digit() && c != '.')?;
        let (unit, after) = split_at_first(after, |c| c.is_ascii_digit() || c == '.').unwrap_or((after, ""));
        total = total.checked_add(nanoseconds(number, unit)?)?;
        rest = after;
    }
    // Go's limit is a signed number of 64 bits, in nanoseconds.
    i64::try_from(total).ok().and_then(|total| u64::try_from(total).ok()).map(Duration::from_nanos)
}

fn split_at_first(text: &str, found: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    text.find(found).map(|at| text.split_at(at))
}

fn nanoseconds(number: &str, unit: &str) -> Option<u128> {
    let unit: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { u128::from(whole.parse::<u64>().ok()?) };
    // More digits than this are below one nanosecond.
    let fraction = &fraction[..fraction.len().min(15)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    Some(whole * unit + part * unit / scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_parsed_as_go_does() {
        for (text, expected) in [
            ("3s", Some(3_000)),
            ("0", Some(0)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            (".5s", Some(500)),
            ("5.s", Some(5_000)),
            ("100ms", Some(100)),
            ("+1s", Some(1_000)),
            ("2000µs", Some(2)),
            ("", None),
            ("3", None),
            ("s", None),
            (".s", None),
            ("-1s", None),
            ("1d", None),
            ("1s ", None),
            ("1.2.3s", None),
            ("9223372036s", Some(9_223_372_036_000)),
            ("9223372037s", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(parse(text), expected.map(Duration::from_millis), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in "[0-9.]{0,25}([a-zµ]{0,2}|[0-9.]{0,20}h){0,4}") {
            parse(&text);
        }
    }
}
