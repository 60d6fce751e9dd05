//! Escapers. Each takes a whole value and returns text that is one token of its language, for
//! any value.

mod html;
mod names;
mod script;
mod style;
mod url;

pub use html::escape_html;
pub(crate) use html::write_html;
pub(crate) use script::json;
pub(crate) use url::is_same_site;

use crate::context::{Escaper, Inner, Outer};
use crate::trusted::{Kind, Trusted, html_to_text};
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// A value to print.
pub(crate) struct Escaped {
    pub(crate) text: Printed,
    /// The value was refused, and a placeholder stands for it.
    pub(crate) is_blocked: bool,
}

/// Printed form of a value.
pub(crate) enum Printed {
    /// The value itself, as HTML text.
    Same,
    /// Other text, as HTML text.
    Text(String),
    /// This, as it is.
    Html(String),
}

/// What the escaper of a name is told: the beginning of the name, or the element that the attribute belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Around {
    pub(crate) name: String,
    pub(crate) element: String,
}

/// Text for one place.
enum Text {
    /// The value itself is right, once the engine has escaped it as HTML text if the place is quoted.
    Same,
    Encoded(String),
    Blocked(&'static str),
}

/// Encodes a value.
///
/// # Errors
/// A value that has no text or no JSON, such as a list in an attribute or a function in a script.
pub(crate) fn escape(escaper: Escaper, value: &Value, around: &Around) -> Result<Escaped, Error> {
    let text = encode(escaper.inner, value, around)?;
    let is_blocked = matches!(text, Text::Blocked(_));
    // the engine escapes these as HTML text, which is right there
    let is_html = escaper.outer == Outer::Quoted
        || matches!(escaper.inner, Inner::PlainText | Inner::PlainTextStart);
    let text = match text {
        Text::Same if is_html => Printed::Same,
        Text::Encoded(text) if is_html => Printed::Text(text),
        Text::Same => Printed::Html(wrap(escaper.outer, plain(value)?)),
        Text::Encoded(text) => Printed::Html(wrap(escaper.outer, text)),
        Text::Blocked(placeholder) => Printed::Html(wrap(escaper.outer, placeholder.to_owned())),
    };
    Ok(Escaped { text, is_blocked })
}

fn wrap(outer: Outer, text: String) -> String {
    match outer {
        Outer::Bare | Outer::Quoted => text,
        Outer::UnquotedStart if text.is_empty() => "&#32;".into(),
        Outer::Unquoted | Outer::UnquotedStart => html::escape_unquoted(&text),
    }
}

fn encode(inner: Inner, value: &Value, around: &Around) -> Result<Text, Error> {
    Ok(match inner {
        Inner::Nothing => Text::Encoded(String::new()),
        Inner::Text => return text(value),
        Inner::PlainText if value.is_safe() => {
            Text::Encoded(htmlize::unescape(value.as_str().unwrap_or_default()).into_owned())
        }
        Inner::PlainText => return text(value),
        Inner::PlainTextStart => return first_text(value, around),
        Inner::Srcdoc if value.is_safe() => Text::Encoded(plain(value)?),
        Inner::Srcdoc => Text::Encoded(escape_html(&plain(value)?).into_owned()),
        Inner::Json | Inner::ScriptValue => return script_value(inner, value),
        Inner::ScriptString | Inner::ScriptTemplate | Inner::ScriptRegexp => {
            return script_text(inner, value);
        }
        Inner::StyleValue if let Some(css) = trusted(value, Kind::Css) => {
            Text::Encoded(style::trusted(css))
        }
        Inner::StyleValue => style::value(&plain(value)?),
        Inner::StyleString => Text::Encoded(style::string(&plain(value)?)),
        Inner::StyleStringStart => style::string_start(&plain(value)?),
        Inner::SrcsetList | Inner::SrcsetStart | Inner::SrcsetPart | Inner::SrcsetQuery => {
            return srcset(inner, value);
        }
        Inner::NoScript if value.is_safe() => {
            url::without_script(&html_to_text(value.as_str().unwrap_or_default()))
        }
        Inner::NoScript => url::without_script(&plain(value)?),
        Inner::NoScriptRest => url::without_scheme_at_all(&plain(value)?),
        // `<p{{ attributes }}>`: the name is complete, and means nothing special
        Inner::TagName if names::is_complete(&around.name, trusted(value, Kind::Attribute)) => {
            Text::Encoded(plain(value)?)
        }
        Inner::TagName => names::tag_name(&around.name, &plain(value)?),
        Inner::AttributeName | Inner::AttributeNameOrNothing
            if let Some(written) = trusted(value, Kind::Attribute) =>
        {
            Text::Encoded(written.to_owned())
        }
        Inner::AttributeName => names::attribute(&around.element, &plain(value)?),
        Inner::AttributeNameOrNothing => {
            names::attribute_or_nothing(&around.element, &plain(value)?)
        }
        Inner::AttributeNamePart => names::attribute_part(&plain(value)?),
        Inner::UrlStart
        | Inner::UrlBegun
        | Inner::UrlAfterSlash
        | Inner::UrlPart
        | Inner::UrlQuery
        | Inner::CodeUrlStart
        | Inner::ActionStart => return url_text(inner, value),
    })
}

fn trusted(value: &Value, kind: Kind) -> Option<&str> {
    let trusted = value.downcast_object_ref::<Trusted>()?;
    (trusted.kind == kind).then_some(trusted.text.as_str())
}

/// The text of a value that has one.
fn plain(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => Ok(String::new()),
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Number | ValueKind::Bool => Ok(value.to_string()),
        _ if value.downcast_object_ref::<Trusted>().is_some() => Ok(value.to_string()),
        _ => printable(value).map(|()| value.to_string()),
    }
}

/// # Errors
/// A map or a list: printed as such it is a mistake, and may show more than was meant.
pub(crate) fn printable(value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => {
            let help = "a map or list cannot be printed; print one of its parts, or in a script the whole with |json";
            Err(Error::new(ErrorKind::InvalidOperation, help))
        }
        _ => Ok(()),
    }
}

fn text(value: &Value) -> Result<Text, Error> {
    if value.is_safe() {
        return Ok(Text::Encoded(html_to_text(
            value.as_str().unwrap_or_default(),
        )));
    }
    Ok(match value.as_str() {
        Some(_) => Text::Same,
        None if value.is_integer() => Text::Same,
        None => Text::Encoded(plain(value)?),
    })
}

/// Browsers leave out a line break that begins a textarea: one that is part of the value needs another before it.
fn first_text(value: &Value, around: &Around) -> Result<Text, Error> {
    Ok(match encode(Inner::PlainText, value, around)? {
        Text::Same
            if value
                .as_str()
                .is_some_and(|text| text.starts_with(['\n', '\r'])) =>
        {
            Text::Encoded(format!("\n{}", plain(value)?))
        }
        Text::Encoded(text) if text.starts_with(['\n', '\r']) => Text::Encoded(format!("\n{text}")),
        same => same,
    })
}

fn url_text(inner: Inner, value: &Value) -> Result<Text, Error> {
    if value.is_integer() {
        return Ok(Text::Same);
    }
    if let Some(url) = trusted(value, Kind::Url) {
        return Ok(Text::Encoded(url::normalise(url)));
    }
    match value.as_str() {
        Some(text) if !value.is_safe() => Ok(url::encode(inner, text)),
        _ => {
            let text = plain(value)?;
            Ok(match url::encode(inner, &text) {
                Text::Same => Text::Encoded(text),
                encoded => encoded,
            })
        }
    }
}

fn srcset(inner: Inner, value: &Value) -> Result<Text, Error> {
    if let Some(list) = trusted(value, Kind::Srcset) {
        return Ok(Text::Encoded(list.to_owned()));
    }
    let kind = match trusted(value, Kind::Url) {
        Some(_) => url::SrcsetValue::Url,
        None => url::SrcsetValue::Text,
    };
    Ok(url::srcset(inner, &plain(value)?, kind))
}

fn script_value(inner: Inner, value: &Value) -> Result<Text, Error> {
    if let (Inner::ScriptValue, Some(code)) = (inner, trusted(value, Kind::Script)) {
        return Ok(Text::Encoded(script::trusted(code)));
    }
    if let (Inner::ScriptValue, Some(string)) = (inner, trusted(value, Kind::ScriptString)) {
        return Ok(Text::Encoded(format!(
            "\"{}\"",
            script::trusted_string(string, "")
        )));
    }
    let text = if value.downcast_object_ref::<Trusted>().is_some() {
        Value::from(value.to_string())
    } else {
        value.clone()
    };
    let json = match trusted(value, Kind::Json) {
        Some(json) => json.to_owned(),
        None => json(&text)?,
    };
    // in JavaScript this key would set the prototype
    let json = if inner == Inner::ScriptValue {
        json.replace("\"__proto__\":", "[\"__proto__\"]:")
    } else {
        json
    };
    // a number or a word must not run into what is written around it
    let is_word = json.starts_with(|c: char| c.is_alphanumeric() || c == '-');
    Ok(Text::Encoded(if is_word && inner == Inner::ScriptValue {
        format!(" {json} ")
    } else {
        json
    }))
}

fn script_text(inner: Inner, value: &Value) -> Result<Text, Error> {
    if inner != Inner::ScriptRegexp
        && let Some(string) = trusted(value, Kind::ScriptString)
    {
        let is_template = inner == Inner::ScriptTemplate;
        return Ok(Text::Encoded(script::trusted_string(
            string,
            if is_template { "$" } else { "" },
        )));
    }
    let text = plain(value)?;
    Ok(Text::Encoded(match inner {
        Inner::ScriptRegexp => script::regexp(&text),
        _ => script::string(&text),
    }))
}
