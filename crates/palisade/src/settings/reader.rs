use super::sources::Raw;
use super::{Origin, Problem, Profile, Setting, SettingsError, Sources};

/// An effective setting.
#[derive(Debug, Clone)]
pub struct Effective {
    /// `section.key`.
    pub key: String,
    /// The displayed value, without secrets.
    pub value: String,
    /// Its source.
    pub origin: Origin,
    /// Its description.
    pub doc: &'static str,
}

/// Reads the settings of each area, and tracks which were read.
#[derive(Debug)]
pub struct Reader {
    sources: Sources,
    profile: Profile,
    effective: Vec<Effective>,
    problems: Vec<Problem>,
}

impl Reader {
    /// A reader of `sources`.
    ///
    /// # Errors
    /// An unknown profile, or an unreadable file.
    pub fn new(mut sources: Sources) -> Result<Self, SettingsError> {
        let (profile, origin) = sources.take_profile()?;
        let doc = "what the site is running for: development, staging or production";
        let first = Effective {
            key: "profile".into(),
            value: profile.to_string(),
            origin,
            doc,
        };
        Ok(Self {
            sources,
            profile,
            effective: vec![first],
            problems: Vec::new(),
        })
    }

    /// The profile, for defaults.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Refuses a section of the site's own whose name is taken.
    pub(crate) fn refuse_known(&self, section: &str) -> Result<(), SettingsError> {
        let prefix = format!("{section}.");
        match self
            .effective
            .iter()
            .any(|known| known.key.starts_with(&prefix))
        {
            false => Ok(()),
            true => Err(SettingsError(vec![Problem {
                key: section.into(),
                place: "App::settings".into(),
                message: "is a section of the framework or of the site already".into(),
                fix: "give the section another name".into(),
            }])),
        }
    }

    /// The source of a setting that was read.
    pub(crate) fn origin(&self, key: &str) -> Option<&Origin> {
        self.effective
            .iter()
            .find(|known| known.key == key)
            .map(|known| &known.origin)
    }

    /// Reads one setting: the value of the strongest source, or the default.
    pub fn read<T: Setting>(&mut self, key: &str, doc: &'static str, default: T) -> T {
        let (mut origin, mut value) = (Origin::Default, default);
        for (raw, from) in self.sources.values.remove(key).unwrap_or_default() {
            let parsed = match &raw {
                // secrets are not trimmed: a space at the end may belong to them
                Raw::Text(text) if T::IS_SECRET => {
                    T::from_text(text.trim_end_matches(['\r', '\n']))
                }
                Raw::Text(text) => T::from_text(text.trim()),
                Raw::Toml(toml) => T::from_toml(toml),
            };
            match parsed {
                Ok(parsed) => (value, origin) = (parsed, from),
                Err(message) => self
                    .problems
                    .push(bad_value::<T>(key, &raw, &from, &message)),
            }
        }
        self.effective.push(Effective {
            key: key.into(),
            value: value.show(),
            origin,
            doc,
        });
        value
    }

    /// The same for a setting of the site's own: one whose name says that it is a secret is not shown,
    /// even if its type is text.
    pub fn read_own<T: Setting>(&mut self, key: &str, doc: &'static str, default: T) -> T {
        let value = self.read(key, doc, default);
        if names_secret(key)
            && let Some(shown) = self.effective.last_mut()
        {
            shown.value = "(secret)".into();
        }
        value
    }

    /// The effective values, after every area has read its own.
    ///
    /// # Errors
    /// All invalid values and all unknown keys.
    pub fn finish(mut self) -> Result<Vec<Effective>, SettingsError> {
        let unknown = std::mem::take(&mut self.sources.values);
        for (key, values) in unknown {
            let place = values
                .last()
                .map_or(Origin::Default, |(_, origin)| origin.clone());
            self.problems.push(self.unknown(key, &place));
        }
        if self.problems.is_empty() {
            Ok(self.effective)
        } else {
            Err(SettingsError(self.problems))
        }
    }

    fn unknown(&self, key: String, place: &Origin) -> Problem {
        let name = key.rsplit('.').next().unwrap_or(&key);
        let likeness = |known: &&Effective| {
            let last = known.key.rsplit('.').next().unwrap_or(&known.key);
            strsim::jaro_winkler(&known.key, &key).max(strsim::jaro_winkler(last, name))
        };
        let nearest = self
            .effective
            .iter()
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let shape = "a setting is PALISADE_SECTION__KEY with two underscores between, and the profile PALISADE_PROFILE";
        if key.starts_with("PALISADE_") {
            return Problem {
                place: place.to_string(),
                message: "is no setting".into(),
                fix: shape.into(),
                key,
            };
        }
        let fix = match (
            NEVER.iter().find(|(never, _)| *never == key),
            nearest.filter(|near| likeness(near) > 0.8),
        ) {
            (Some((_, why)), _) => (*why).to_owned(),
            (None, Some(near)) => format!("did you mean {}? `settings` lists every key", near.key),
            (None, None) => "remove it; `settings` lists every key".into(),
        };
        Problem {
            place: place.to_string(),
            message: "there is no such setting".into(),
            fix,
            key,
        }
    }
}

/// Settings of other frameworks that intentionally do not exist here.
const NEVER: [(&str, &str); 4] = [
    (
        "templates.autoescape",
        "remove it: escaping cannot be switched off (use TrustedHtml for a value that is HTML)",
    ),
    (
        "site.debug",
        "remove it: the profile decides, and release builds hold no debug page",
    ),
    (
        "headers.nosniff",
        "remove it: X-Content-Type-Options is always sent",
    ),
    (
        "sessions.http_only",
        "remove it: scripts never see the session cookie",
    ),
];

fn bad_value<T: Setting>(key: &str, raw: &Raw, origin: &Origin, message: &str) -> Problem {
    let shown = match raw {
        _ if T::IS_SECRET || looks_secret(key) => "the value (not shown)".into(),
        Raw::Text(text) => format!("{text:?}"),
        Raw::Toml(value) => value.to_string(),
    };
    let fix = format!("write {}", T::shape());
    Problem {
        key: key.into(),
        place: origin.to_string(),
        message: format!("{shown} {message}"),
        fix,
    }
}

/// Other types may contain a password, as URLs do.
fn looks_secret(key: &str) -> bool {
    key.ends_with(".url") || key.contains("secret")
}

/// Whether a name is that of a secret, such as `webhook_token`.
fn names_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    let words = ["secret", "password", "passphrase", "credential", "token"];
    name == "key" || name.ends_with("_key") || words.iter().any(|word| name.contains(word))
}

/// Declares the settings of an area: a struct and its reader. Defaults may depend on the profile.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $name:ident($section:literal) {
            $( $(#[doc = $doc:literal])+ $key:ident: $type:ty = |$profile:pat_param| $default:expr; )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $key: $type, )*
        }

        impl $name {
            /// Reads this section.
            pub fn read(reader: &mut $crate::settings::Reader) -> Self {
                #[allow(unused_variables, reason = "not every default depends on the profile")]
                let profile = reader.profile();
                Self {
                    $( $key: {
                        let default: fn($crate::settings::Profile) -> $type = |$profile| $default;
                        reader.read(concat!($section, ".", stringify!($key)), concat!($($doc),+).trim_ascii(), default(profile))
                    }, )*
                }
            }
        }

        impl Default for $name {
            /// The defaults of production.
            fn default() -> Self {
                let profile = $crate::settings::Profile::Production;
                let _ = profile;
                Self { $( $key: { let default: fn($crate::settings::Profile) -> $type = |$profile| $default; default(profile) }, )* }
            }
        }
    };
}
pub(crate) use section;
