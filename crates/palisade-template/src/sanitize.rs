//! Sanitizing of untrusted HTML by an allow-list: [`ammonia`], which parses as browsers do and
//! serialises the result.

use ammonia::{Builder, UrlRelative};
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// What is kept of untrusted HTML. Everything else is removed; scripts and styles with their text.
/// HTML of more than 1 MiB or 5,000 tags is not parsed: it is shown as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preset {
    /// Text only: no tags.
    Plain,
    /// For comments: emphasis, links, quotes, code and lists. Links get
    /// `rel="nofollow ugc noopener noreferrer"`.
    Comment,
    /// For articles, in addition: headings, tables, images, figures.
    Article,
}

const COMMENT_TAGS: [&str; 18] = [
    "a",
    "abbr",
    "b",
    "blockquote",
    "br",
    "code",
    "del",
    "em",
    "i",
    "ins",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "strong",
    "sub",
    "ul",
];

const ARTICLE_TAGS: [&str; 31] = [
    "caption",
    "cite",
    "col",
    "colgroup",
    "dd",
    "details",
    "dfn",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "img",
    "kbd",
    "mark",
    "q",
    "small",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
];

/// Schemes of links; images are loaded from http and https.
const SCHEMES: [&str; 3] = ["http", "https", "mailto"];

static PLAIN: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder.clean_content_tags(["script", "style"].into());
    builder
});

static COMMENT: LazyLock<Builder<'static>> = LazyLock::new(|| {
    builder(
        COMMENT_TAGS.into(),
        HashMap::from([
            ("a", HashSet::from(["href"])),
            ("abbr", HashSet::from(["title"])),
        ]),
    )
});

static ARTICLE: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let attributes = HashMap::from([
        ("a", HashSet::from(["href", "title"])),
        ("abbr", HashSet::from(["title"])),
        (
            "img",
            HashSet::from(["src", "alt", "title", "width", "height"]),
        ),
        ("td", HashSet::from(["colspan", "rowspan"])),
        ("th", HashSet::from(["colspan", "rowspan", "scope"])),
        ("col", HashSet::from(["span"])),
        ("colgroup", HashSet::from(["span"])),
        ("ol", HashSet::from(["start"])),
    ]);
    builder(
        COMMENT_TAGS.into_iter().chain(ARTICLE_TAGS).collect(),
        attributes,
    )
});

fn builder(
    tags: HashSet<&'static str>,
    attributes: HashMap<&'static str, HashSet<&'static str>>,
) -> Builder<'static> {
    let mut builder = Builder::empty();
    builder
        .tags(tags)
        .tag_attributes(attributes)
        .url_schemes(SCHEMES.into())
        .url_relative(UrlRelative::PassThrough)
        .link_rel(Some("nofollow ugc noopener noreferrer"))
        .clean_content_tags(["script", "style"].into())
        .strip_comments(true);
    builder
}

impl Preset {
    pub(crate) fn clean(self, html: &str) -> String {
        let builder = match self {
            Self::Plain => &PLAIN,
            Self::Comment => &COMMENT,
            Self::Article => &ARTICLE,
        };
        // deeply nested tags take quadratic time
        if html.matches('<').count() > MOST_TAGS || html.len() > MOST_BYTES {
            return crate::escape::escape_html(html).into_owned();
        }
        builder.clean(html).to_string()
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "plain" => Some(Self::Plain),
            "comment" => Some(Self::Comment),
            "article" => Some(Self::Article),
            _ => None,
        }
    }
}

/// More tags than a person writes; nested, this many take about a tenth of a second.
const MOST_TAGS: usize = 5_000;
const MOST_BYTES: usize = 1024 * 1024;
