//! Violation reports of browsers ([CSP section 5](https://www.w3.org/TR/CSP3/#reporting)): grouped,
//! counted, and logged.

use axum::body::{Body, to_bytes};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Path of the endpoint.
pub const REPORTS: &str = "/csp-report";
/// Its name in `Reporting-Endpoints`.
pub(super) const ENDPOINT: &str = "csp";

/// Groups of similar reports, with their counts.
#[derive(Default)]
pub struct Reports(Mutex<Groups>);

#[derive(Default)]
struct Groups {
    counts: HashMap<Violation, u64>,
    /// Time of the last reset.
    since: Option<Instant>,
}

/// The constant part of a report: no query, no fragment, no path of another site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Violation {
    /// `enforce`, or `report` for report-only policies.
    disposition: String,
    directive: String,
    blocked: String,
    page: String,
    source: String,
    line: u64,
}

/// Most groups; further ones are counted together.
const MOST_GROUPS: usize = 500;
/// Groups expire, so a flood of fake reports hides real ones for at most this long.
const KEPT: Duration = Duration::from_secs(600);
/// Longest body.
const MAX_BYTES: usize = 64 * 1024;
/// Most reports per body.
const MOST_REPORTS: usize = 20;
/// Longest stored part of a value, in characters.
const LONGEST: usize = 200;

/// Whether this is a report: other sites' forms and scripts cannot send these content types without
/// a preflight.
pub(crate) fn is_report(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    let kind = kind
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    [&b"application/csp-report"[..], b"application/reports+json"]
        .iter()
        .any(|known| kind.eq_ignore_ascii_case(known))
}

impl Reports {
    /// Accepts reports. Malformed ones are 400; there is no other response.
    pub async fn take(&self, body: Body) -> StatusCode {
        let Ok(bytes) = to_bytes(body, MAX_BYTES).await else {
            return StatusCode::PAYLOAD_TOO_LARGE;
        };
        match serde_json::from_slice::<Sent>(&bytes) {
            Ok(sent) => {
                sent.violations()
                    .take(MOST_REPORTS)
                    .for_each(|violation| self.count(violation));
                StatusCode::NO_CONTENT
            }
            Err(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// Logs the 1st, 10th, 100th … report of a group: a faulty page that many visitors open is a
    /// few lines, not a million.
    fn count(&self, violation: Violation) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if groups.since.is_none_or(|since| since.elapsed() > KEPT) {
            *groups = Groups {
                counts: HashMap::new(),
                since: Some(Instant::now()),
            };
        }
        let is_new = groups.counts.len() >= MOST_GROUPS && !groups.counts.contains_key(&violation);
        let violation = if is_new {
            Violation {
                directive: "(others)".into(),
                ..Violation::default()
            }
        } else {
            violation
        };
        let count = groups.counts.entry(violation.clone()).or_insert(0);
        *count += 1;
        let count = *count;
        drop(groups);
        let is_power_of_ten = 10_u64.pow(count.ilog10()) == count;
        if is_power_of_ten {
            let Violation {
                disposition,
                directive,
                blocked,
                page,
                source,
                line,
            } = violation;
            tracing::warn!(
                target: "palisade", ?directive, ?blocked, ?page, ?source, line, ?disposition, count,
                "a browser reported a violation of the content security policy"
            );
        }
    }
}

/// Both formats that browsers send.
#[derive(Deserialize)]
#[serde(untagged)]
enum Sent {
    /// `report-to`: a list of reports of several types.
    Reports(Vec<Report>),
    /// `report-uri`: one report.
    Old {
        #[serde(rename = "csp-report")]
        report: OldViolation,
    },
}

#[derive(Deserialize)]
struct Report {
    #[serde(rename = "type")]
    kind: String,
    body: serde_json::Value,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct NewViolation {
    disposition: String,
    effective_directive: String,
    #[serde(rename = "blockedURL")]
    blocked_url: String,
    #[serde(rename = "documentURL")]
    document_url: String,
    source_file: Option<String>,
    line_number: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct OldViolation {
    disposition: String,
    effective_directive: String,
    violated_directive: String,
    blocked_uri: String,
    document_uri: String,
    source_file: Option<String>,
    line_number: Option<u64>,
}

impl Sent {
    fn violations(self) -> Box<dyn Iterator<Item = Violation>> {
        match self {
            Self::Old { report } => Box::new(std::iter::once(report.into())),
            Self::Reports(reports) => {
                let ours = reports
                    .into_iter()
                    .filter(|report| report.kind == "csp-violation");
                Box::new(ours.filter_map(|report| {
                    serde_json::from_value::<NewViolation>(report.body)
                        .ok()
                        .map(Violation::from)
                }))
            }
        }
    }
}

impl From<NewViolation> for Violation {
    fn from(sent: NewViolation) -> Self {
        Self {
            disposition: short(&sent.disposition),
            directive: short(&sent.effective_directive),
            blocked: site_of(&sent.blocked_url),
            page: path_of(&sent.document_url),
            source: path_of(&sent.source_file.unwrap_or_default()),
            line: sent.line_number.unwrap_or_default(),
        }
    }
}

impl From<OldViolation> for Violation {
    fn from(sent: OldViolation) -> Self {
        let directive = if sent.effective_directive.is_empty() {
            sent.violated_directive
        } else {
            sent.effective_directive
        };
        Self::from(NewViolation {
            disposition: sent.disposition,
            effective_directive: directive.split(' ').next().unwrap_or_default().to_owned(),
            blocked_url: sent.blocked_uri,
            document_url: sent.document_uri,
            source_file: sent.source_file,
            line_number: sent.line_number,
        })
    }
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// The page's URL without its query, which may hold tokens and searches.
fn path_of(url: &str) -> String {
    short(url.split(['?', '#']).next().unwrap_or_default())
}

/// The blocked source: `inline`, `eval`, a scheme, or an origin.
fn site_of(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(url) if url.has_host() => short(&url.origin().ascii_serialization()),
        Ok(url) => short(url.scheme()),
        Err(_) => path_of(url),
    }
}
