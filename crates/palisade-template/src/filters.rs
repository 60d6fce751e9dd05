//! The filters of this engine, beside those of Jinja.

use crate::escape::json;
use crate::sanitize::Preset;
use crate::trusted::{Kind, Trusted, TrustedHtml};
use minijinja::{Environment, Error, ErrorKind, Value, filters};
use std::sync::LazyLock;

pub(crate) fn add_filters(environment: &mut Environment<'static>) {
    for name in ["json", "tojson"] {
        environment.add_filter(name, |value: Value| {
            json(&value).map(|text| {
                Value::from_object(Trusted {
                    kind: Kind::Json,
                    text,
                })
            })
        });
    }
    // every place escapes: the filter marks HTML to be shown as text
    for name in ["escape", "e"] {
        environment.add_filter(name, |value: Value| {
            if value.is_safe() {
                Value::from(value.to_string())
            } else {
                value
            }
        });
    }
    environment.add_filter("urlencode", |value: Value| {
        filters::urlencode(&value).map(|text| {
            Value::from_object(Trusted {
                kind: Kind::Url,
                text,
            })
        })
    });
    environment.add_filter("sanitize", |value: Value, preset: &str| {
        let preset = Preset::from_name(preset).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidOperation,
                format!("no preset {preset:?}: write \"plain\", \"comment\" or \"article\""),
            )
        })?;
        Ok::<Value, Error>(TrustedHtml::sanitize(&value.to_string(), preset).into())
    });
}

/// Filters that an application adds: Palisade's own are known when templates are compiled.
pub(crate) const OF_APPLICATION: [&str; 4] = ["date", "time", "datetime", "number"];

static FILTERS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    add_filters(&mut environment);
    environment
});

/// Whether a filter exists.
pub(crate) fn is_filter(name: &str) -> bool {
    let applied = || FILTERS.empty_state().apply_filter(name, &[]);
    let is_unknown = |error: Error| error.kind() == ErrorKind::UnknownFilter;
    OF_APPLICATION.contains(&name) || !applied().is_err_and(is_unknown)
}
