use super::reports::{ENDPOINT, REPORTS};
use crate::http::{Origin, OriginPattern};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// A content security policy ([CSP level 3](https://www.w3.org/TR/CSP3/)): directives, in order.
///
/// ```
/// use palisade::headers::{ContentSecurityPolicy, Directive, Source};
///
/// let maps = Source::origin("https://tiles.example.org").unwrap();
/// let policy = ContentSecurityPolicy::strict().allow(Directive::ImgSrc, maps);
/// assert!(policy.text("n0nce").contains("img-src 'self' https://tiles.example.org;"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentSecurityPolicy(Vec<(Directive, Vec<Source>)>);

macro_rules! directives {
    ($($name:ident $text:literal),*) => {
        /// A directive of the policy.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are those of the standard")]
        #[non_exhaustive]
        pub enum Directive { $($name),* }

        impl Directive {
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in the header.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

directives!(
    DefaultSrc "default-src", ScriptSrc "script-src", StyleSrc "style-src", ImgSrc "img-src", FontSrc "font-src", ConnectSrc "connect-src",
    MediaSrc "media-src", FrameSrc "frame-src", WorkerSrc "worker-src", ManifestSrc "manifest-src", ObjectSrc "object-src", FormAction "form-action",
    BaseUri "base-uri", FrameAncestors "frame-ancestors", UpgradeInsecureRequests "upgrade-insecure-requests", ReportUri "report-uri", ReportTo "report-to",
    RequireTrustedTypesFor "require-trusted-types-for", TrustedTypes "trusted-types", Sandbox "sandbox"
);

impl Directive {
    #[track_caller]
    fn judge(self, source: &Source) {
        let is_code = matches!(
            self,
            Self::DefaultSrc | Self::ScriptSrc | Self::ObjectSrc | Self::WorkerSrc | Self::BaseUri
        );
        let is_scheme = matches!(&source.0, Kind::Text(text) if SCHEMES.contains(&&**text));
        assert!(
            !(is_code && is_scheme),
            "{} must not allow all of a scheme: attackers can write such URLs themselves",
            self.name()
        );
    }
}

/// Schemes that can be allowed as a whole.
const SCHEMES: [&str; 3] = ["data:", "blob:", "mediastream:"];

/// A source expression. There is no `'unsafe-inline'`, no `'unsafe-eval'` and no `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// `'none'`, which is valid only alone.
    Nothing,
    Nonce,
    Text(Arc<str>),
}

impl Source {
    /// `'none'`: nothing, as long as no other source is allowed.
    pub const NOTHING: Self = Self(Kind::Nothing);
    /// `'nonce-…'` of the response. Omitted in responses without one.
    pub const NONCE: Self = Self(Kind::Nonce);

    /// `'self'`: this site.
    pub fn own() -> Self {
        Self::text("'self'")
    }

    /// `'strict-dynamic'`: scripts loaded by a trusted script are trusted.
    pub fn strict_dynamic() -> Self {
        Self::text("'strict-dynamic'")
    }

    /// The hash of an inline script or style, between the tags, byte by byte.
    pub fn hash_of(text: &str) -> Self {
        Self::text(format!(
            "'sha256-{}'",
            STANDARD.encode(Sha256::digest(text))
        ))
    }

    /// Another origin: `https://cdn.example.org`, or subdomains `https://*.example.org`. `None` for
    /// others: no path, and no `http:` except on this machine.
    pub fn origin(origin: &str) -> Option<Self> {
        let plain = origin.replacen("://*.", "://", 1);
        let (parsed, pattern) = (
            Origin::parse(&plain)?,
            origin.parse::<OriginPattern>().ok()?,
        );
        let is_clean =
            !plain.contains(['*', ' ', ';', ',', '\'', '"', '\0']) && parsed.to_string() == plain;
        (is_clean && !pattern.is_too_wide() && (parsed.is_secure() || parsed.is_local()))
            .then(|| Self::text(origin))
    }

    /// All of a scheme: `data:`, `blob:`, `mediastream:`. Not `https:`, which would be every site.
    pub fn scheme(scheme: &str) -> Option<Self> {
        SCHEMES.contains(&scheme).then(|| Self::text(scheme))
    }

    pub(super) fn text(text: impl Into<Arc<str>>) -> Self {
        Self(Kind::Text(text.into()))
    }
}

impl ContentSecurityPolicy {
    /// An empty policy.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The policy of every page: only the listed sources, and scripts by the response's nonce only.
    ///
    /// `strict-dynamic` lets a trusted script load others, and makes browsers ignore hosts for
    /// scripts.
    pub fn strict() -> Self {
        use Directive::{
            BaseUri, ConnectSrc, DefaultSrc, FontSrc, FormAction, FrameAncestors, ImgSrc,
            ManifestSrc, ObjectSrc, ScriptSrc, StyleSrc,
        };
        let own = Source::own;
        Self(vec![
            (DefaultSrc, vec![Source::NOTHING]),
            (ScriptSrc, vec![Source::NONCE, Source::strict_dynamic()]),
            (StyleSrc, vec![own(), Source::NONCE]),
            (ImgSrc, vec![own()]),
            (FontSrc, vec![own()]),
            (ConnectSrc, vec![own()]),
            (ManifestSrc, vec![own()]),
            (FormAction, vec![own()]),
            (BaseUri, vec![Source::NOTHING]),
            (ObjectSrc, vec![Source::NOTHING]),
            (FrameAncestors, vec![Source::NOTHING]),
        ])
    }

    /// Allows one more source. A new directive starts with it, and no longer falls back to
    /// `default-src`.
    ///
    /// # Panics
    /// When it is a scheme, in a directive for code: attackers can write `data:` URLs. It stops the
    /// start.
    #[must_use]
    #[track_caller]
    pub fn allow(mut self, directive: Directive, source: Source) -> Self {
        directive.judge(&source);
        match self.0.iter_mut().find(|(known, _)| *known == directive) {
            Some((_, sources)) if !sources.contains(&source) => sources.push(source),
            Some(_) => {}
            None => self.0.push((directive, vec![source])),
        }
        self
    }

    /// Replaces the sources of a directive; with none, it is omitted.
    ///
    /// # Panics
    /// As [`ContentSecurityPolicy::allow`].
    #[must_use]
    #[track_caller]
    pub fn set(mut self, directive: Directive, sources: Vec<Source>) -> Self {
        sources.iter().for_each(|source| directive.judge(source));
        match self.0.iter_mut().find(|(known, _)| *known == directive) {
            Some((_, old)) => *old = sources,
            None => self.0.push((directive, sources)),
        }
        self
    }

    /// With reports to this site's endpoint.
    pub(super) fn reporting(self) -> Self {
        self.set(Directive::ReportUri, vec![Source::text(REPORTS)])
            .set(Directive::ReportTo, vec![Source::text(ENDPOINT)])
    }

    /// Adds the directives of the strict policy that this one lacks.
    fn complete(mut self) -> Self {
        self.0.retain(|(_, sources)| !sources.is_empty());
        for (directive, sources) in Self::strict().0 {
            if !self.0.iter().any(|(known, _)| *known == directive) {
                self.0.push((directive, sources));
            }
        }
        self
    }

    /// The header for a response with this nonce.
    pub fn text(&self, nonce: &str) -> String {
        Written::new(self).text(nonce)
    }
}

/// A serialised policy, except for the nonce.
#[derive(Debug, Clone)]
pub struct Written {
    pieces: Vec<String>,
    /// The whole header, if it has no nonce.
    whole: Option<HeaderValue>,
}

impl Written {
    /// Serialises a policy once.
    pub fn new(policy: &ContentSecurityPolicy) -> Self {
        let mut pieces = vec![String::new()];
        let mut add = |text: &str| {
            // NUL stands for the nonce; no source can contain one
            let mut parts = text.split('\0');
            if let (Some(last), Some(first)) = (pieces.last_mut(), parts.next()) {
                last.push_str(first);
            }
            pieces.extend(parts.map(str::to_owned));
        };
        let mut is_first = true;
        for (directive, sources) in policy
            .0
            .iter()
            .filter(|(directive, sources)| has_meaning(*directive, sources))
        {
            if !std::mem::take(&mut is_first) {
                add("; ");
            }
            add(directive.name());
            let is_alone = sources.iter().all(|source| source.0 == Kind::Nothing);
            for source in sources {
                match &source.0 {
                    Kind::Nothing if is_alone => add(" 'none'"),
                    Kind::Nothing => {}
                    Kind::Nonce => add(" 'nonce-\0'"),
                    Kind::Text(text) => add(&format!(" {text}")),
                }
            }
        }
        let whole = pieces
            .first()
            .filter(|_| pieces.len() == 1)
            .and_then(|all| HeaderValue::from_str(all).ok());
        Self { pieces, whole }
    }

    /// The header's text. Without a nonce, its source is omitted; a directive without any other
    /// becomes `'none'`, because an omitted one would fall back to `default-src`.
    pub fn text(&self, nonce: &str) -> String {
        if !nonce.is_empty() {
            return self.pieces.join(nonce);
        }
        let text = self.pieces.join("\0").replace(" 'nonce-\0'", "");
        let is_bare = |directive: &str| {
            !directive.is_empty()
                && !directive.contains(' ')
                && !["upgrade-insecure-requests", "sandbox"].contains(&directive)
        };
        let closed = |directive: &str| {
            if is_bare(directive) {
                format!("{directive} 'none'")
            } else {
                directive.to_owned()
            }
        };
        text.split("; ").map(closed).collect::<Vec<_>>().join("; ")
    }

    /// The header, unless the policy is empty.
    pub(super) fn value(&self, nonce: &str) -> Option<HeaderValue> {
        let value = self
            .whole
            .clone()
            .or_else(|| HeaderValue::try_from(self.text(nonce)).ok());
        value.filter(|value| !value.is_empty())
    }
}

fn has_meaning(directive: Directive, sources: &[Source]) -> bool {
    let needs_none = [Directive::UpgradeInsecureRequests, Directive::Sandbox];
    !sources.is_empty() || needs_none.contains(&directive)
}

/// The policies of one response, where they differ from the site's.
#[derive(Debug, Clone, Default)]
pub struct PagePolicies {
    pub(super) enforced: Option<Arc<Written>>,
    pub(super) reported: Option<Arc<Written>>,
    pub(super) is_isolated: bool,
    /// Whether pages of other origins may show it.
    pub(super) is_shown_elsewhere: bool,
}

/// The policy of a file that a user has sent: nothing of it runs, loads or is framed.
static OF_FILE: LazyLock<Arc<Written>> = LazyLock::new(|| {
    let policy = ContentSecurityPolicy::empty()
        .set(Directive::Sandbox, Vec::new())
        .set(Directive::DefaultSrc, vec![Source::NOTHING])
        .set(Directive::FrameAncestors, vec![Source::NOTHING]);
    Arc::new(Written::new(&policy))
});

impl PagePolicies {
    /// The policy of a file that a user has sent.
    pub(crate) fn of_file() -> Self {
        Self {
            enforced: Some(OF_FILE.clone()),
            ..Self::default()
        }
    }

    /// The same for a file on an origin of its own, which pages of the site show.
    pub(crate) fn of_file_elsewhere() -> Self {
        Self {
            is_shown_elsewhere: true,
            ..Self::of_file()
        }
    }

    /// This policy in place of the site's. Directives that it lacks are those of
    /// [`ContentSecurityPolicy::strict`].
    #[must_use]
    pub fn enforce(mut self, policy: &ContentSecurityPolicy) -> Self {
        self.enforced = Some(Arc::new(Written::new(
            &policy.clone().complete().reporting(),
        )));
        self
    }

    /// A report-only policy in addition.
    #[must_use]
    pub fn report_only(mut self, policy: &ContentSecurityPolicy) -> Self {
        self.reported = Some(Arc::new(Written::new(&policy.clone().reporting())));
        self
    }

    /// Cross-origin resources must opt in (`Cross-Origin-Embedder-Policy: require-corp`): required
    /// for `SharedArrayBuffer` and high-resolution timers.
    #[must_use]
    pub fn isolate(mut self) -> Self {
        self.is_isolated = true;
        self
    }
}

impl fmt::Display for ContentSecurityPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(""))
    }
}
