//! Messages of [RFC 5424](https://www.rfc-editor.org/rfc/rfc5424), over unix sockets, TCP with octet
//! counting ([RFC 6587](https://www.rfc-editor.org/rfc/rfc6587#section-3.4.1)) and TLS
//! ([RFC 5425](https://www.rfc-editor.org/rfc/rfc5425)).

use super::Alert;
use crate::audit_log::Severity;
use std::fmt::Write;

/// Facility 10: security messages.
const FACILITY: u8 = 10;
/// The structured data of alerts, with the example enterprise number of RFC 5612.
const STRUCTURED: &str = "palisade@32473";

/// The message of an alert: one line for any values.
pub(super) fn message(alert: &Alert, host: &str) -> String {
    let level = match alert.severity {
        Severity::Critical => 2,
        Severity::High => 3,
        Severity::Moderate => 4,
        Severity::Low => 6,
    };
    let priority = FACILITY * 8 + level;
    let host = header(host, 255);
    let mut text = format!(
        "<{priority}>1 {} {host} palisade - {} [{STRUCTURED}",
        alert.at,
        header(&alert.event, 32)
    );
    let values = [
        ("rule", &alert.rule),
        ("actor", &alert.actor),
        ("subject", &alert.subject),
        ("address", &alert.address),
        ("route", &alert.route),
        ("request", &alert.request),
        ("detail", &alert.detail),
    ];
    for (name, value) in values.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(text, " {name}=\"{}\"", parameter(value));
    }
    let _ = write!(text, "] {}", printable(&alert.title()));
    text
}

/// The message of a signed checkpoint. Its line breaks are `\\n`, as `audit verify` reads them in a
/// log.
pub(super) fn checkpoint_message(note: &str, (at, host): (&str, &str)) -> String {
    let priority = FACILITY * 8 + 6;
    let host = header(host, 255);
    let note = parameter(&note.replace('\n', "\\n"));
    format!(
        "<{priority}>1 {at} {host} palisade - checkpoint [{STRUCTURED} checkpoint=\"{note}\"] checkpoint"
    )
}

/// A part of the header: printable ASCII without spaces, or `-`.
fn header(text: &str, most: usize) -> String {
    let kept: String = text
        .chars()
        .filter(char::is_ascii_graphic)
        .take(most)
        .collect();
    if kept.is_empty() { "-".into() } else { kept }
}

/// A parameter's value: `"`, `\` and `]` are escaped (section 6.3.3).
fn parameter(value: &str) -> String {
    let mut escaped = String::new();
    for letter in printable(value).chars() {
        if matches!(letter, '"' | '\\' | ']') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// A message in a stream: its length in bytes, a space, and the message.
pub(super) fn framed(message: &str) -> String {
    format!("{} {message}", message.len())
}
