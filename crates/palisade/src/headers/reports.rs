//! What browsers report that a policy refused ([CSP section 5](https://www.w3.org/TR/CSP3/#reporting)): grouped, counted, and shown in the log.

use axum::body::{Body, to_bytes};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where browsers send reports.
pub const REPORTS: &str = "/csp-report";
/// Its name in `Reporting-Endpoints`.
pub(super) const ENDPOINT: &str = "csp";

/// Reports that are alike, and how many of them came.
#[derive(Default)]
pub struct Reports(Mutex<Groups>);

#[derive(Default)]
struct Groups {
    counts: HashMap<Violation, u64>,
    /// When they were forgotten last.
    since: Option<Instant>,
}

/// What a report says, without what is different each time: no query, no fragment, no path of another site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Violation {
    /// `enforce`, or `report` where nothing was refused.
    disposition: String,
    directive: String,
    blocked: String,
    page: String,
    source: String,
    line: u64,
}

/// Most groups that are kept; what comes after them is counted together.
const MOST_GROUPS: usize = 500;
/// Whoever fills the groups with inventions hides nothing for longer than this.
const KEPT: Duration = Duration::from_secs(600);
/// Longest body.
const MAX_BYTES: usize = 64 * 1024;
/// Most reports of one body.
const MOST_REPORTS: usize = 20;
/// Most characters that are kept of a value.
const LONGEST: usize = 200;

/// Whether this is a report: no form and no script of another site can send these types without asking first.
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
    /// Takes what a browser sent. What cannot be understood is 400, and nothing else is ever said.
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

    /// The first of a group is logged, and the tenth, the hundredth, …: a page with a fault that everybody opens is one line, not a million.
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
                "a browser reports that a page broke its content security policy"
            );
        }
    }
}

/// Both forms that browsers send.
#[derive(Deserialize)]
#[serde(untagged)]
enum Sent {
    /// `report-to`: a list of reports of several kinds.
    Reports(Vec<Report>),
    /// `report-uri`: one.
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

/// A page without its query, where tokens and searches are.
fn path_of(url: &str) -> String {
    short(url.split(['?', '#']).next().unwrap_or_default())
}

/// Who was refused: `inline`, `eval`, a scheme, or a site.
fn site_of(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(url) if url.has_host() => short(&url.origin().ascii_serialization()),
        Ok(url) => short(url.scheme()),
        Err(_) => path_of(url),
    }
}
