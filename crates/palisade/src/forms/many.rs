use super::{Field, Shape};
use chrono_tz::Tz;
use std::ops::Deref;

/// Several values, at most `MAX`: checkboxes for a choice, one input for files, otherwise a list of
/// inputs.
///
/// Empty input is an empty list; values that were sent twice count once.
///
/// ```
/// use palisade::prelude::*;
/// #[derive(Choice, Clone, Copy, PartialEq, Debug)]
/// enum Day { Monday, Tuesday }
///
/// #[derive(Form)]
/// struct Course {
///     days: Many<Day>,
///     links: Many<WebUrl<500>, 5>,
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Many<T, const MAX: usize = 100>(Vec<T>);

impl<T, const MAX: usize> Many<T, MAX> {
    pub(super) fn from_vec(values: Vec<T>) -> Self {
        Self(values)
    }

    /// The values.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Deref for Many<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> IntoIterator for Many<T, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a Many<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Field, const MAX: usize> Field for Many<T, MAX> {
    const SHAPE: Shape = {
        let one = T::SHAPE.of_one_value();
        let is_choice = !one.options.is_empty() || one.choices.is_some();
        Shape {
            kind: match is_choice {
                true => "checkboxes",
                false if one.file.is_some() => "file",
                false => "list",
            },
            is_required: false,
            is_many: true,
            max_count: MAX,
            ..one
        }
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        Self::parse_all(
            &raw.map(str::to_owned).into_iter().collect::<Vec<_>>(),
            Tz::UTC,
        )
    }

    fn parse_all(values: &[String], zone: Tz) -> Result<Self, String> {
        let mut distinct: Vec<&String> = Vec::new();
        for value in values.iter().filter(|value| !value.trim().is_empty()) {
            if distinct.len() > MAX {
                break;
            }
            if !distinct.contains(&value) {
                distinct.push(value);
            }
        }
        if distinct.len() > MAX {
            return Err(format!("Choose at most {MAX}."));
        }
        let parsed = distinct
            .into_iter()
            .map(|value| T::parse_all(std::slice::from_ref(value), zone));
        parsed.collect::<Result<_, _>>().map(Self)
    }
}
