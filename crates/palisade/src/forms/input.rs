use super::group_names::{GroupErrors, field_of};
use super::{Field, FieldSpec, Fields};
use chrono_tz::Tz;
use percent_encoding::percent_decode;
use std::collections::BTreeMap;

/// Decoded names and values.
pub type Pairs = BTreeMap<String, String>;

/// The same, where a name may have several values.
pub(crate) type Values = BTreeMap<String, Vec<String>>;

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
    let once = |(name, mut values): (String, Vec<String>)| match (values.pop(), values.pop()) {
        (Some(value), None) => Ok((name, value)),
        _ => Err(RawError::Duplicate(name)),
    };
    values(encoded, max, |_| true)?
        .into_iter()
        .map(once)
        .collect()
}

/// The values of known names. Other names are ignored: links get tracking parameters, some of them
/// twice.
pub(super) fn values(
    encoded: &[u8],
    max: usize,
    is_known: impl Fn(&str) -> bool,
) -> Result<Values, RawError> {
    let (mut found, mut count) = (Values::new(), 0);
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
        if count == max {
            return Err(RawError::TooMany);
        }
        count += 1;
        found.entry(name).or_default().push(value);
    }
    Ok(found)
}

/// The value of a name that must occur once.
///
/// # Errors
/// A repeated name.
pub(crate) fn single<'a>(values: &'a Values, name: &str) -> Result<Option<&'a str>, RawError> {
    match values.get(name).map(Vec::as_slice) {
        None | Some([]) => Ok(None),
        Some([value]) => Ok(Some(value)),
        Some(_) => Err(RawError::Duplicate(name.to_owned())),
    }
}

/// Refuses repeated names, apart from those of fields with several values.
pub(super) fn check_repeated(values: &Values, fields: &[FieldSpec]) -> Result<(), RawError> {
    let is_many = |name: &str| {
        let field = fields.iter().find_map(|field| match field.name == name {
            true => Some(field),
            false => field_of(field, name),
        });
        field.is_some_and(|field| field.shape.is_many)
    };
    for name in values.keys().filter(|name| !is_many(name)) {
        single(values, name)?;
    }
    Ok(())
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

/// Errors of an input.
pub(super) struct InputErrors {
    pub(super) fields: BTreeMap<&'static str, Vec<String>>,
    pub(super) general: Vec<String>,
    pub(super) groups: GroupErrors,
}

/// The refusal of a rule over several fields: `#[form(rule = NewBooking::check)]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    field: Option<&'static str>,
    message: String,
}

impl RuleError {
    /// A sentence at a field.
    pub fn at(field: &'static str, message: impl Into<String>) -> Self {
        Self {
            field: Some(field),
            message: message.into(),
        }
    }

    /// A sentence above the form.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            field: None,
            message: message.into(),
        }
    }
}

/// Input, while it is validated field by field.
#[derive(Debug)]
pub struct Input {
    values: Values,
    errors: BTreeMap<&'static str, Vec<String>>,
    general: Vec<String>,
    groups: GroupErrors,
    zone: Tz,
}

impl Input {
    pub(crate) fn new(values: Values, zone: Tz) -> Self {
        Self {
            values,
            errors: BTreeMap::new(),
            general: Vec::new(),
            groups: GroupErrors::new(),
            zone,
        }
    }

    /// Validates one field, and records its error.
    pub fn field<T: Field>(&mut self, name: &'static str) -> Option<T> {
        if self.errors.contains_key(name) {
            return None;
        }
        let values = self.values.get(name).map_or(&[][..], Vec::as_slice);
        match T::parse_all(values, self.zone) {
            Ok(value) => Some(value),
            Err(message) => {
                self.errors.entry(name).or_default().push(message);
                None
            }
        }
    }

    /// The errors of single fields.
    pub(crate) fn into_errors(self) -> BTreeMap<&'static str, Vec<String>> {
        self.errors
    }

    /// All names with their values.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &[String])> {
        let values = self.values.iter();
        values.map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// Reads a group of fields, whose names begin with that of the group.
    pub(super) fn group<T: Fields>(&mut self, name: &str) -> Option<T> {
        let inner = |(full, values): (&String, &Vec<String>)| {
            let field = full.strip_prefix(name)?.strip_prefix('.')?;
            Some((field.to_owned(), values.clone()))
        };
        let values = self.values.iter().filter_map(inner).collect();
        let mut input = Self::new(values, self.zone);
        let read = T::read(&mut input);
        self.general.append(&mut input.general);
        for (field, errors) in input.errors {
            self.groups.insert(format!("{name}.{field}"), errors);
        }
        read
    }

    /// The distinct values of a field, without empty ones: at most one more than `most`, because each
    /// is compared with all others (denial of service).
    pub(super) fn given(&self, name: &str, most: usize) -> Vec<String> {
        let mut given: Vec<String> = Vec::new();
        for value in self.values.get(name).into_iter().flatten() {
            if given.len() > most {
                break;
            }
            if !value.trim().is_empty() && !given.contains(value) {
                given.push(value.clone());
            }
        }
        given
    }

    /// Records the refusal of a rule over several fields.
    #[doc(hidden)]
    pub fn refuse_by_rule(&mut self, error: RuleError) {
        match error.field {
            Some(field) => self.errors.entry(field).or_default().push(error.message),
            None => self.general.push(error.message),
        }
    }

    /// Records an error of a field, which is not validated any more.
    pub(super) fn refuse(&mut self, name: &'static str, message: &str) {
        self.errors.insert(name, vec![message.to_owned()]);
    }

    /// The values of some fields.
    pub(super) fn values_of(&self, fields: &[FieldSpec]) -> Values {
        let is_one = |name: &String| {
            let mut fields = fields.iter();
            fields.any(|field| field.name == name || field_of(field, name).is_some())
        };
        let values = self.values.iter().filter(|(name, _)| is_one(name));
        values
            .map(|(name, values)| (name.clone(), values.clone()))
            .collect()
    }

    /// All errors as sentences, each with its field.
    pub(crate) fn into_messages(self) -> Vec<String> {
        let fields = self.errors.into_iter();
        let fields = fields.flat_map(|(name, errors)| {
            errors
                .into_iter()
                .map(move |error| format!("{name}: {error}"))
        });
        fields.chain(self.general).collect()
    }

    pub(super) fn into_parts(self) -> (Values, InputErrors) {
        let errors = InputErrors {
            fields: self.errors,
            general: self.general,
            groups: self.groups,
        };
        (self.values, errors)
    }
}
