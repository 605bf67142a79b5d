//! Reads `WWW-Authenticate` as servers write it, which is often not what RFC 9110, section 11.6.1, demands.
//!
//! Clients in Go stop at the first thing that they do not understand and keep what they have read, so servers get
//! away with mistakes. This parser reads on: it takes unquoted values that need quotes, blanks or semicolons in place
//! of commas, and letters that are not ASCII.

/// One challenge of a field: a scheme and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawChallenge {
    pub(super) scheme: String,
    parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

impl RawChallenge {
    fn new(scheme: &[u8]) -> Self {
        Self { scheme: String::from_utf8_lossy(scheme).into_owned(), parameters: Vec::new() }
    }

    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The value of a parameter, unless it is empty. If the name occurs several times, the last one counts, as in Go.
    pub(super) fn parameter(&self, name: &str) -> Option<&[u8]> {
        let mut backwards = self.parameters.iter().rev();
        let (_, value) = backwards.find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(value.as_slice()).filter(|value| !value.is_empty())
    }
}

/// Reads the challenges of one field, in linear time.
pub(super) fn read(field: &[u8]) -> Vec<RawChallenge> {
    let mut challenges: Vec<RawChallenge> = Vec::new();
    // The challenge that the next parameters belong to.
    let mut current = 0;
    // Whether only blanks have followed the name of a scheme.
    let mut is_after_scheme = false;
    let mut rest = field;
    loop {
        let (separators, text) = rest.split_at(run(rest, is_separator));
        let may_be_token68 = is_after_scheme && separators.iter().all(|&byte| is_blank(byte));
        is_after_scheme = false;
        let (word, after) = text.split_at(run(text, is_of_word));
        if word.is_empty() {
            // The end, or an equals sign or quotation mark where none belongs.
            let Some((_, after)) = text.split_first() else { return challenges };
            rest = after;
            continue;
        }
        rest = after;
        match after[run(after, is_blank)..].split_first() {
            Some((b'=', text)) => {
                let (value, after) = value(text);
                rest = after;
                if let (Some(challenge), Some(value)) = (challenges.get_mut(current), value) {
                    challenge.parameters.push((word.to_owned(), value));
                }
            }
            None | Some((b',' | b';', _)) => {
                // A word between a scheme and a comma replaces the parameters ("token68"). Any other word there is a
                // scheme without parameters, so that the next parameters belong to the challenge before it.
                if !may_be_token68 {
                    challenges.push(RawChallenge::new(word));
                }
            }
            Some(_) => {
                current = challenges.len();
                challenges.push(RawChallenge::new(word));
                is_after_scheme = true;
            }
        }
    }
}

/// The value after an equals sign, if there is one, and the rest.
fn value(text: &[u8]) -> (Option<Vec<u8>>, &[u8]) {
    // The end of a "token68", or of a parameter without a value.
    let padded = &text[run(text, |byte| byte == b'=')..];
    let padded = &padded[run(padded, is_blank)..];
    if matches!(padded.first(), None | Some(b',' | b';')) {
        return (None, padded);
    }
    let text = &text[run(text, is_blank)..];
    if let Some((b'"', inside)) = text.split_first() {
        return quoted(inside);
    }
    let (value, after) = unquoted(text);
    (Some(value.to_owned()), after)
}

/// The value up to its closing quotation mark. An unclosed value is dropped with everything after it.
fn quoted(text: &[u8]) -> (Option<Vec<u8>>, &[u8]) {
    let mut value = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, &byte)) = bytes.next() {
        match byte {
            b'"' => return (Some(value), &text[at + 1..]),
            b'\\' => value.extend(bytes.next().map(|(_, &escaped)| escaped)),
            other => value.push(other),
        }
    }
    (None, &[])
}

/// A value without quotation marks. It ends at a comma. Blanks and semicolons are part of it unless another
/// parameter or challenge follows them, as in `realm=My registry service=x`.
fn unquoted(text: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    loop {
        let end = at + run(&text[at..], |byte| !is_separator(byte));
        let (separators, next) = text[end..].split_at(run(&text[end..], is_separator));
        if next.is_empty() || separators.contains(&b',') || starts_parameter(next) || starts_challenge(next) {
            return (&text[..end], &text[end..]);
        }
        at = end + separators.len();
    }
}

/// Whether a text begins with a name and an equals sign.
fn starts_parameter(text: &[u8]) -> bool {
    let name = run(text, is_of_word);
    let after = &text[name..];
    name > 0 && after[run(after, is_blank)..].starts_with(b"=")
}

/// Whether a text begins with a supported scheme and a parameter.
fn starts_challenge(text: &[u8]) -> bool {
    let (word, after) = text.split_at(run(text, is_of_word));
    let blanks = run(after, is_blank);
    let is_scheme = [&b"Basic"[..], b"Bearer"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
    is_scheme && blanks > 0 && starts_parameter(&after[blanks..])
}

/// The length of the run of bytes of one kind at the beginning.
fn run(text: &[u8], is_of_kind: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|&byte| !is_of_kind(byte)).unwrap_or(text.len())
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_separator(byte: u8) -> bool {
    is_blank(byte) || matches!(byte, b',' | b';')
}

fn is_of_word(byte: u8) -> bool {
    !is_separator(byte) && !matches!(byte, b'=' | b'"')
}
