use super::measure::{Kind, Measure};
use super::rule::{BlockRule, Blockable};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicI64, Ordering};

/// The measures of operators, as every request asks for them.
#[derive(Debug, Default)]
pub(crate) struct Posture {
    /// Hash of the measures.
    version: String,
    is_read_only: bool,
    paused: Vec<Paused>,
    rules: Vec<Counted>,
    frozen: Vec<i32>,
    canaries: Vec<String>,
}

#[derive(Debug)]
struct Counted {
    id: String,
    rule: BlockRule,
    hits: AtomicI64,
}

/// A part of the site that can be paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paused {
    SignUp,
    Login,
    Tokens,
    Uploads,
}

impl Paused {
    pub(crate) const WORDS: [&'static str; 4] = ["signup", "login", "tokens", "uploads"];

    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "signup" => Some(Self::SignUp),
            "login" => Some(Self::Login),
            "tokens" => Some(Self::Tokens),
            "uploads" => Some(Self::Uploads),
            _ => None,
        }
    }
}

impl Posture {
    pub(super) fn new(measures: &[Measure]) -> Self {
        let of = |kind| measures.iter().filter(move |measure| measure.kind == kind);
        let rule = |measure: &Measure| {
            Some(Counted {
                id: measure.id.clone(),
                rule: serde_json::from_str(&measure.value).ok()?,
                hits: AtomicI64::new(0),
            })
        };
        Self {
            version: version(measures),
            is_read_only: of(Kind::ReadOnly).next().is_some(),
            paused: of(Kind::Pause)
                .filter_map(|measure| Paused::parse(&measure.value))
                .collect(),
            rules: of(Kind::Block).filter_map(rule).collect(),
            frozen: of(Kind::Freeze)
                .filter_map(|measure| measure.value.parse().ok())
                .collect(),
            canaries: of(Kind::Canary)
                .map(|measure| canary(&measure.value))
                .filter(|value| !value.is_empty())
                .collect(),
        }
    }

    /// The version of measures: a hash.
    pub(crate) fn version_of(measures: &[Measure]) -> String {
        version(measures)
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    pub(crate) fn is_paused(&self, part: Paused) -> bool {
        self.paused.contains(&part)
    }

    /// Number of measures that refuse requests.
    #[cfg(feature = "metrics")]
    pub(crate) fn count(&self) -> usize {
        usize::from(self.is_read_only) + self.paused.len() + self.rules.len()
    }

    /// Whether transactions of an account are refused.
    pub(crate) fn is_frozen(&self, user: i32) -> bool {
        self.frozen.contains(&user)
    }

    /// Whether any account is frozen.
    pub(crate) fn has_frozen(&self) -> bool {
        !self.frozen.is_empty()
    }

    /// Whether a name or a path is a canary.
    pub(crate) fn is_canary(&self, value: &str) -> bool {
        !self.canaries.is_empty() && self.canaries.contains(&canary(value))
    }

    /// Whether no request is refused, which is so most of the time.
    pub(crate) fn is_normal(&self) -> bool {
        !self.is_read_only
            && self.paused.is_empty()
            && self.rules.is_empty()
            && self.canaries.is_empty()
    }

    /// The id of the first rule that blocks a request. It is counted.
    pub(crate) fn blocks(&self, request: &Blockable<'_>) -> Option<&str> {
        let rule = self
            .rules
            .iter()
            .find(|counted| counted.rule.blocks(request))?;
        rule.hits.fetch_add(1, Ordering::Relaxed);
        Some(&rule.id)
    }

    /// The hits since the last call.
    pub(super) fn take_hits(&self) -> Vec<(String, i64)> {
        let taken = self.rules.iter().map(|rule| {
            let hits = rule.hits.swap(0, Ordering::Relaxed);
            (rule.id.clone(), hits)
        });
        taken.filter(|(_, hits)| *hits > 0).collect()
    }
}

/// The form in which canaries are compared.
fn canary(value: &str) -> String {
    value.trim().to_lowercase()
}

/// The same on all instances. Hits do not change it.
fn version(measures: &[Measure]) -> String {
    let mut hash = Sha256::new();
    for measure in measures {
        hash.update(format!(
            "{} {} {}\n",
            measure.id,
            measure.kind.word(),
            measure.value
        ));
    }
    if measures.is_empty() {
        return String::new();
    }
    crate::crypto::hex(&hash.finalize())
}
