use crate::analysis::{ANY, Checked, MARK, Missing, Related, Use, analyse, join};
use crate::blocked::{Blocked, Hook};
use crate::context::{InlineHandlers, Rules, StaticLink};
use crate::engine::{Filter, add_filter, environment};
use crate::error::{At, Cause, LoadError, Place, Problem, RenderError, Source, innermost};
use crate::escape::escape_html;
use crate::filters::OF_APPLICATION;
use crate::layer::{Layer, Stamp};
use crate::multipart::encode_forms;
use minijinja::value::{Object, Value};
use minijinja::{Environment, context};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Values that the framework inserts into a page: the nonce of this response and the CSRF token of
/// this visitor.
#[derive(Clone)]
pub struct PageSecrets {
    nonce: String,
    token: Arc<dyn Fn() -> String + Send + Sync>,
}

impl PageSecrets {
    /// `token` is called once for each form of the page, and only if there is one.
    pub fn new(
        nonce: impl Into<String>,
        token: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        Self {
            nonce: nonce.into(),
            token: Arc::new(token),
        }
    }

    /// For documents that are not a response, such as mail.
    pub fn none() -> Self {
        Self::new("", String::new)
    }
}

/// Options of loading.
#[derive(Clone)]
pub struct Options {
    rules: Rules,
    hook: Hook,
    filters: Vec<(&'static str, Filter)>,
    max_page_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            hook: Arc::new(|_| {}),
            filters: Vec::new(),
            max_page_bytes: MAX_PAGE_BYTES,
        }
    }
}

impl Options {
    /// Strict: inline event handlers are errors, because our content security policies do not run
    /// them.
    pub fn new() -> Self {
        Self::default()
    }

    /// Called for every value that is refused.
    #[must_use]
    pub fn on_blocked(mut self, hook: impl Fn(&Blocked<'_>) + Send + Sync + 'static) -> Self {
        self.hook = Arc::new(hook);
        self
    }

    /// Static files, by the URL that templates name them with: `("/static/site.js", StaticLink { … })`. Attributes whose whole value is that URL
    /// get the one with the hash in its place, and a `<script>` or `<link>` that names the file gets its `integrity`.
    #[must_use]
    pub fn files(mut self, files: impl IntoIterator<Item = (String, StaticLink)>) -> Self {
        self.rules.files = files.into_iter().collect();
        self
    }

    /// Adds one of the filters `date`, `time`, `datetime` and `number`, which makes a text of a value and at most one argument. The text is escaped for
    /// its place, as any other; an error names the template and the line.
    #[must_use]
    pub fn filter(
        mut self,
        name: &'static str,
        filter: impl Fn(&Value, Option<&Value>) -> Result<String, String> + Send + Sync + 'static,
    ) -> Self {
        assert!(
            OF_APPLICATION.contains(&name),
            "{name}: templates are compiled without this filter"
        );
        self.filters.push((name, Arc::new(filter)));
        self
    }

    /// The longest page in bytes; 16 MiB by default.
    #[must_use]
    pub fn max_page_bytes(mut self, bytes: usize) -> Self {
        self.max_page_bytes = bytes;
        self
    }

    /// Accepts inline event handlers and escapes the values in them. `reason` is why the site needs
    /// them.
    ///
    /// # Security
    /// They run only under a content security policy that also runs injected handlers.
    #[must_use]
    pub fn dangerous_inline_handlers(mut self, reason: &'static str) -> Self {
        assert!(
            !reason.trim().is_empty(),
            "say why inline handlers are needed"
        );
        self.rules.inline_handlers = InlineHandlers::Escaped;
        self
    }
}

/// Templates, validated and ready to render. Cheap to clone.
#[derive(Clone)]
pub struct Templates(Arc<Inner>);

struct Inner {
    layers: Vec<Layer>,
    options: Options,
    loaded: Arc<Loaded>,
    /// In debug builds with watched files: their state at the last read, and its result.
    latest: Option<Mutex<(Stamp, Result<Arc<Loaded>, LoadError>)>>,
}

struct Loaded {
    environment: Environment<'static>,
    checked: Checked,
    sources: BTreeMap<String, String>,
    /// Variables that each page uses and does not set, with those of the templates that it
    /// extends, includes and imports.
    wanted: BTreeMap<String, BTreeSet<String>>,
}

/// Checks one template without rendering it. Unknown templates that it extends or includes are
/// taken to be HTML text.
///
/// ```
/// let problems = palisade_template::check("page.html", "<a onclick=\"{{ code }}\">");
/// assert_eq!(problems[0].line, 1);
/// ```
pub fn check(name: &str, source: &str) -> Vec<Problem> {
    check_all(&[(name, source)])
}

/// Validates templates that may use each other, and unknown ones.
pub fn check_all(templates: &[(&str, &str)]) -> Vec<Problem> {
    let sources = templates
        .iter()
        .map(|(name, source)| ((*name).to_owned(), (*source).to_owned()))
        .collect();
    analyse(&sources, &Rules::default(), Missing::Assumed).problems
}

impl Templates {
    /// Loads and validates every template of every layer, under the strict [`Options`].
    ///
    /// # Errors
    /// All templates that were refused.
    pub fn load(layers: Vec<Layer>) -> Result<Self, LoadError> {
        Self::load_with(layers, Options::default())
    }

    /// The same with other options.
    ///
    /// # Errors
    /// All templates that were refused.
    pub fn load_with(layers: Vec<Layer>, options: Options) -> Result<Self, LoadError> {
        let stamp = Stamp::newest(&layers);
        let loaded = Loaded::new(&layers, &options).map(Arc::new)?;
        let latest = stamp.map(|stamp| Mutex::new((stamp, Ok(loaded.clone()))));
        Ok(Self(Arc::new(Inner {
            layers,
            options,
            loaded,
            latest,
        })))
    }

    /// Renders a template. Values are escaped for their places; `values` is a map, made with [`context!`](minijinja::context).
    ///
    /// # Errors
    /// A template that does not exist, a name that is not defined, a page that takes more than its share of work or bytes.
    pub fn render(
        &self,
        name: &str,
        values: Value,
        secrets: PageSecrets,
    ) -> Result<String, RenderError> {
        let values = context! { _palisade => Value::from_object(Secrets(secrets)), ..values };
        self.latest()?
            .render(name, values, self.0.options.max_page_bytes)
    }

    /// Whether a template uses a variable that none of its own statements sets.
    pub fn wants(&self, variable: &str) -> bool {
        let latest = self.latest();
        latest.is_ok_and(|loaded| loaded.wanted.values().any(|names| names.contains(variable)))
    }

    /// Whether a page, or a template that it extends, includes or imports, uses a variable that
    /// none of its own statements sets.
    pub fn page_wants(&self, page: &str, variable: &str) -> bool {
        let latest = self.latest();
        latest.is_ok_and(|loaded| {
            let wanted = loaded.wanted.get(page);
            wanted.is_some_and(|names| names.contains(variable))
        })
    }

    /// Each template with the variables that it, and the templates that it extends, includes and
    /// imports, use and do not set, in order.
    pub fn variables(&self) -> Vec<(String, Vec<String>)> {
        let wanted = self.0.loaded.wanted.iter();
        wanted
            .map(|(name, variables)| (name.clone(), variables.iter().cloned().collect()))
            .collect()
    }

    /// Every place where a value is printed outside HTML text, in the order of the files.
    pub fn uses(&self) -> Vec<Use> {
        let mut uses = self.0.loaded.checked.uses.clone();
        uses.sort_by(|one, two| {
            (&one.template, one.line, one.column).cmp(&(&two.template, two.line, two.column))
        });
        uses.dedup_by(|one, two| one == two);
        uses
    }

    /// The current templates: in debug builds, changed files are reloaded, all of them, because one
    /// template can change the context of another.
    fn latest(&self) -> Result<Arc<Loaded>, RenderError> {
        let Some(latest) = &self.0.latest else {
            return Ok(self.0.loaded.clone());
        };
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::newest(&self.0.layers);
        if let Some(stamp) = stamp.filter(|stamp| *stamp != latest.0) {
            *latest = (
                stamp,
                Loaded::new(&self.0.layers, &self.0.options).map(Arc::new),
            );
        }
        latest.1.clone().map_err(|refused| RenderError {
            cause: Cause::Refused(refused),
            place: None,
        })
    }
}

/// Variables that pages use and do not set.
fn wanted(environment: &Environment<'_>, related: &Related) -> BTreeMap<String, BTreeSet<String>> {
    let mut own = BTreeMap::<&str, BTreeSet<String>>::new();
    for (name, template) in environment.templates() {
        // a template in several contexts is compiled for each
        let file = name.split(MARK).next().unwrap_or(name);
        let names = own.entry(file).or_default();
        names.extend(template.undeclared_variables(false));
    }
    let of_page = |page: &&str| {
        let names = reachable(page, related);
        let variables = own
            .iter()
            .filter(|(name, _)| names.contains(ANY) || names.contains(**name))
            .flat_map(|(_, variables)| variables.iter().cloned());
        ((*page).to_owned(), variables.collect())
    };
    own.keys().map(of_page).collect()
}

/// A template, and those that it extends, includes and imports, directly or not.
fn reachable<'a>(page: &'a str, related: &'a Related) -> BTreeSet<&'a str> {
    let (mut found, mut waiting) = (BTreeSet::new(), vec![page]);
    while let Some(name) = waiting.pop() {
        if found.insert(name) {
            let others = related.get(name).into_iter().flatten();
            waiting.extend(others.map(String::as_str));
        }
    }
    found
}

impl Loaded {
    fn new(layers: &[Layer], options: &Options) -> Result<Self, LoadError> {
        let mut sources = BTreeMap::new();
        for layer in layers.iter().rev() {
            sources.extend(layer.sources());
        }
        let mut problems: Vec<Problem> = sources.keys().filter_map(|name| bad_name(name)).collect();
        let mut checked = analyse(&sources, &options.rules, Missing::Refused);
        problems.append(&mut checked.problems);
        if !problems.is_empty() {
            return Err(LoadError(problems));
        }
        join(&mut checked);
        let mut environment = environment(&checked, &options.hook, options.max_page_bytes)
            .map_err(|error| {
                let source = Source {
                    name: error.name().unwrap_or_default(),
                    text: "",
                };
                LoadError(vec![Problem::at(source, 0..0, error.to_string(), "fix it")])
            })?;
        for (name, filter) in &options.filters {
            add_filter(&mut environment, name, filter.clone());
        }
        Ok(Self {
            wanted: wanted(&environment, &checked.related),
            environment,
            checked,
            sources,
        })
    }

    fn render(&self, name: &str, values: Value, limit: usize) -> Result<String, RenderError> {
        if let Some(problems) = self.checked.partial.get(name) {
            return Err(RenderError {
                cause: Cause::Refused(LoadError(problems.clone())),
                place: None,
            });
        }
        let mut page = Limited {
            bytes: Vec::with_capacity(FIRST_BYTES),
            limit,
            is_over: false,
        };
        let done = self
            .environment
            .get_template(name)
            .and_then(|template| template.render_captured_to(values, &mut page).map(drop));
        match done {
            Ok(()) => {
                let page = String::from_utf8(page.bytes).expect("the engine writes text");
                Ok(encode_forms(page))
            }
            Err(_) if page.is_over => Err(RenderError {
                cause: Cause::TooLong(limit),
                place: None,
            }),
            Err(error) => Err(RenderError {
                place: self.place(innermost(&error)),
                cause: Cause::Engine(error),
            }),
        }
    }

    /// Position of an error in the author's source.
    fn place(&self, error: &minijinja::Error) -> Option<(String, Place)> {
        let template = self.checked.templates.get(error.name()?)?;
        let found = |place| {
            Some((
                template.name.clone(),
                Place::find(self.sources.get(&template.name)?, place),
            ))
        };
        if let Some(At(place)) =
            std::error::Error::source(error).and_then(|source| source.downcast_ref())
        {
            return found(place.clone());
        }
        let line = || {
            error.line().map(|line| {
                template
                    .text
                    .split_inclusive('\n')
                    .take(line - 1)
                    .map(str::len)
                    .sum()
            })
        };
        let range = error.range().or_else(|| line().map(|at: usize| at..at))?;
        found(template.original(range.start)..template.original(range.end))
    }
}

fn bad_name(name: &str) -> Option<Problem> {
    let is_bad = name.contains([MARK, '"', '\\']) || name.chars().any(char::is_control);
    is_bad.then(|| {
        Problem::at(
            Source { name, text: "" },
            0..0,
            "the name of this template holds a #, a quote, a backslash or a control character",
            "rename the file",
        )
    })
}

/// A page of bounded size.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
    is_over: bool,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.bytes.len() + bytes.len() > self.limit {
            self.is_over = true;
            return Err(io::Error::other("the page is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Secrets(PageSecrets);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Object for Secrets {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "nonce" => Some(Value::from(self.0.nonce.as_str())),
            "token" => {
                let token = (self.0.token)();
                let escaped = escape_html(&token);
                Some(Value::from_safe_string(format!(
                    "<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{escaped}\">"
                )))
            }
            _ => None,
        }
    }
}

/// Largest page in bytes, by default.
const MAX_PAGE_BYTES: usize = 16 * 1024 * 1024;
/// Initial capacity: most pages need no more.
const FIRST_BYTES: usize = 8 * 1024;
