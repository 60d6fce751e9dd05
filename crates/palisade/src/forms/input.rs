use super::Field;
use percent_encoding::percent_decode;
use std::collections::BTreeMap;

/// Decoded names and values.
pub type Pairs = BTreeMap<String, String>;

/// Why a form or a query cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawError {
    /// Not UTF-8 after decoding.
    Encoding,
    /// A repeated name, on whose value parsers disagree (parameter pollution).
    Duplicate(String),
    /// More fields than any form here has.
    TooMany,
}

/// Parses `application/x-www-form-urlencoded` strictly
/// ([WHATWG URL, 5.1](https://url.spec.whatwg.org/#urlencoded-parsing)).
///
/// # Errors
/// See [`RawError`]; more than `max` pairs are too many.
pub fn pairs(encoded: &[u8], max: usize) -> Result<Pairs, RawError> {
    pairs_of(encoded, max, |_| true)
}

/// The same for known names. Others are ignored: links get tracking parameters, some of them twice.
pub(super) fn pairs_of(
    encoded: &[u8],
    max: usize,
    is_known: impl Fn(&str) -> bool,
) -> Result<Pairs, RawError> {
    let mut pairs = Pairs::new();
    for pair in encoded
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
    {
        let mut sides = pair.splitn(2, |byte| *byte == b'=');
        let name = match decode(sides.next().unwrap_or_default()) {
            Ok(name) if is_known(&name) => name,
            Err(_) if is_known("") => return Err(RawError::Encoding),
            _ => continue,
        };
        let value = decode(sides.next().unwrap_or_default())?;
        if pairs.len() == max {
            return Err(RawError::TooMany);
        }
        if pairs.insert(name.clone(), value).is_some() {
            return Err(RawError::Duplicate(name));
        }
    }
    Ok(pairs)
}

fn decode(part: &[u8]) -> Result<String, RawError> {
    let spaced: Vec<u8> = part
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_decode(&spaced)
        .decode_utf8()
        .map(String::from)
        .map_err(|_| RawError::Encoding)
}

/// Input, while it is validated field by field.
#[derive(Debug)]
pub struct Input {
    pairs: Pairs,
    errors: BTreeMap<&'static str, Vec<String>>,
}

impl Input {
    pub(super) fn new(pairs: Pairs) -> Self {
        Self {
            pairs,
            errors: BTreeMap::new(),
        }
    }

    /// Validates one field, and records its error.
    pub fn field<T: Field>(&mut self, name: &'static str) -> Option<T> {
        match T::parse(self.pairs.get(name).map(String::as_str)) {
            Ok(value) => Some(value),
            Err(message) => {
                self.errors.entry(name).or_default().push(message);
                None
            }
        }
    }

    pub(super) fn into_parts(self) -> (Pairs, BTreeMap<&'static str, Vec<String>>) {
        (self.pairs, self.errors)
    }
}
