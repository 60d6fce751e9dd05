use crate::error::{LoadError, Problem, RenderError};
use crate::rewrite::{check, rewrite};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, TemplateSource, UndefinedBehavior, context, escape_formatter};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// A set of templates: those of the site or those of the framework. Earlier layers win, template by template.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    files: BTreeMap<String, String>,
    directory: Option<PathBuf>,
}

impl Layer {
    /// Templates that are part of the program.
    pub fn embedded(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect();
        Self { files, directory: None }
    }

    /// In debug builds, reads a file of this directory again when it has changed. Release builds never look at the disk.
    #[must_use]
    pub fn watching(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = cfg!(debug_assertions).then(|| directory.into()).filter(|directory| directory.is_dir());
        self
    }

    fn source(&self, name: &str) -> Option<(String, Option<PathBuf>)> {
        let known = self.files.get(name)?;
        let on_disk = self.directory.as_ref().map(|directory| directory.join(name));
        match on_disk.as_deref().and_then(|path| std::fs::read_to_string(path).ok()) {
            Some(source) => Some((source, on_disk)),
            None => Some((known.clone(), None)),
        }
    }
}

/// What the framework writes into a page: the nonce of this response and the token of this visitor's forms.
#[derive(Clone)]
pub struct PageSecrets {
    nonce: String,
    token: Arc<dyn Fn() -> String + Send + Sync>,
}

impl PageSecrets {
    /// `token` is called once for each form of the page, and only if there is one.
    pub fn new(nonce: impl Into<String>, token: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { nonce: nonce.into(), token: Arc::new(token) }
    }

    /// For text that is not an answer to a request.
    pub fn none() -> Self {
        Self::new("", String::new)
    }
}

/// Templates, checked and ready to render. Cheap to clone.
#[derive(Clone)]
pub struct Templates(Arc<Environment<'static>>);

impl Templates {
    /// Loads and checks every template of every layer.
    ///
    /// # Errors
    /// All problems of all templates.
    pub fn load(layers: Vec<Layer>) -> Result<Self, LoadError> {
        let problems: Vec<Problem> =
            layers.iter().flat_map(|layer| layer.files.iter()).flat_map(|(name, source)| check(name, source)).collect();
        if !problems.is_empty() {
            return Err(LoadError(problems));
        }
        Ok(Self(Arc::new(environment(layers))))
    }

    /// Renders a template. Values are escaped; `values` is a map, made with [`context!`](minijinja::context).
    ///
    /// # Errors
    /// A template that does not exist, a name that is not defined, a page that takes more than its share of work.
    pub fn render(&self, name: &str, values: Value, secrets: PageSecrets) -> Result<String, RenderError> {
        let values = context! { _palisade => Value::from_object(Secrets(secrets)), ..values };
        self.0.get_template(name).and_then(|template| template.render(values)).map_err(RenderError)
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
            "token_field" => {
                let token = (self.0.token)();
                let escaped = minijinja::HtmlEscape(&token);
                Some(Value::from_safe_string(format!("<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{escaped}\">")))
            }
            _ => None,
        }
    }
}

fn environment(layers: Vec<Layer>) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(MAX_FUEL));
    environment.set_recursion_limit(MAX_RECURSION);
    environment.set_syntax(
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().expect("the delimiters are the default ones"),
    );
    environment.set_auto_reload(cfg!(debug_assertions));
    environment.remove_filter("safe");
    // its output is right in a script and breaks out of an attribute; it comes back when contexts are known
    environment.remove_filter("tojson");
    environment.set_formatter(|out, state, value| match value.kind() {
        ValueKind::None => Ok(()),
        ValueKind::Map | ValueKind::Seq => Err(Error::new(ErrorKind::InvalidOperation, "a map or list cannot be printed")),
        _ => escape_formatter(out, state, value),
    });
    environment
        .set_loader(move |name| layers.iter().find_map(|layer| layer.source(name)).map(|found| prepared(name, found)).transpose());
    environment
}

fn prepared(name: &str, (source, path): (String, Option<PathBuf>)) -> Result<TemplateSource, Error> {
    let rewritten =
        rewrite(name, &source).map_err(|problems| Error::new(ErrorKind::SyntaxError, LoadError(problems).to_string()))?;
    let source = TemplateSource::new(rewritten);
    let Some(path) = path else { return Ok(source) };
    let read_at = OnceLock::new();
    let _ = read_at.set(changed_at(&path));
    Ok(source.with_uptodate_check(move || read_at.get() == Some(&changed_at(&path))))
}

fn changed_at(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}

/// Instructions of one rendering: a page of 10,000 rows needs about a tenth of it.
const MAX_FUEL: u64 = 5_000_000;
/// Includes, macros and loops within each other.
const MAX_RECURSION: usize = 64;
