//! The debug page for developers. It exists in debug builds and is shown in the development profile
//! only.

use super::{Failure, RequestContext};
use http::StatusCode;
use palisade_template::{Layer, PageSecrets, Templates, Value, context};
use std::sync::LazyLock;

static TEMPLATES: LazyLock<Option<Templates>> = LazyLock::new(|| {
    Templates::load(vec![Layer::embedded(&[(
        "debug.html",
        include_str!("templates/debug.html"),
    )])])
    .ok()
});

/// The page for server errors in the development profile.
pub(super) fn page(
    context: &RequestContext,
    status: StatusCode,
    failure: Option<&Failure>,
) -> Option<String> {
    if !status.is_server_error() || !context.site().profile.is_development() {
        return None;
    }
    let failure = failure?;
    let (file, line, cause) = (
        failure.place().file.as_ref(),
        failure.place().line,
        failure.error().to_string(),
    );
    let headers: Vec<Value> = context
        .headers()
        .iter()
        .map(|(name, value)| header(name.as_str(), value.to_str().unwrap_or("(bytes)")))
        .collect();
    let settings: Vec<Value> = context
        .site()
        .settings
        .iter()
        .map(|setting| context! { key => setting.key.as_str(), value => setting.value.as_str(), origin => setting.origin.to_string() })
        .collect();
    let values = context! {
        status => status.as_u16(), title => cause.lines().next().unwrap_or_default(), cause => cause.as_str(), file, line,
        source => source(context, (file, line)), handler => context.handler(), message => failure.error().public_message(), is_framework => file.contains("palisade/src/") && !file.contains("/tests/"),
        method => context.method().as_str(), path => context.path(), request_id => context.id(), headers, settings,
    };
    TEMPLATES
        .as_ref()?
        .render(
            "debug.html",
            values,
            PageSecrets::new(context.nonce(), String::new),
        )
        .ok()
}

/// Names whose values are masked, as in Django.
const SECRET_NAMES: [&str; 8] = [
    "api",
    "auth",
    "token",
    "key",
    "secret",
    "pass",
    "signature",
    "cookie",
];

fn header(name: &str, value: &str) -> Value {
    let is_secret = SECRET_NAMES.iter().any(|secret| name.contains(secret));
    context! { name, value => if is_secret { "(masked)" } else { value } }
}

/// Ten lines around the location, if the source is on this machine.
fn source(context: &RequestContext, (file, line): (&str, u32)) -> Vec<Value> {
    let roots = context.site().development.roots.iter();
    let mut candidates = roots.map(|root| root.join(file)).chain([file.into()]);
    let text = candidates.find_map(|path| std::fs::read_to_string(path).ok());
    let Some(text) = text else {
        return Vec::new();
    };
    let first = line.saturating_sub(5).max(1);
    let numbered = text
        .lines()
        .enumerate()
        .map(|(index, text)| (index as u32 + 1, text));
    let around = numbered.skip(first as usize - 1).take(10);
    around
        .map(|(number, text)| context! { number, text, is_here => number == line })
        .collect()
}
