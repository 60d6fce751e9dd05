use palisade_crypto::Secret;
use std::time::Duration;

/// A setting's type.
pub trait Setting: Sized {
    /// The accepted format in words: `a whole number`.
    const SHAPE: &'static str;
    /// The format with that of its parts.
    fn shape() -> String {
        Self::SHAPE.to_owned()
    }

    /// Whether the value is a secret, which is never shown.
    const IS_SECRET: bool = false;

    /// Parses the text of an environment variable or of a string in `palisade.toml`.
    ///
    /// # Errors
    /// The problem, without the value.
    fn from_text(text: &str) -> Result<Self, String>;

    /// Converts a value of `palisade.toml`.
    ///
    /// # Errors
    /// The problem, without the value.
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        value
            .as_str()
            .ok_or_else(|| wrong::<Self>())
            .and_then(Self::from_text)
    }

    /// The displayed value.
    fn show(&self) -> String;
}

fn wrong<T: Setting>() -> String {
    format!("must be {}", T::SHAPE)
}

impl Setting for String {
    const SHAPE: &'static str = "text";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Setting for bool {
    const SHAPE: &'static str = "true or false";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| wrong::<Self>())
    }

    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(wrong::<Self>)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for u64 {
    const SHAPE: &'static str = "a whole number, zero or more";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| wrong::<Self>())
    }

    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        value
            .as_integer()
            .and_then(|number| number.try_into().ok())
            .ok_or_else(wrong::<Self>)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A duration in whole seconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secs(pub u64);

impl Secs {
    /// The same as a [`Duration`].
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl Setting for Secs {
    const SHAPE: &'static str = "a whole number of seconds, at least 1";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .ok()
            .filter(|secs| (1..=MAX_SECS).contains(secs))
            .map(Self)
            .ok_or_else(wrong::<Self>)
    }

    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        value
            .as_integer()
            .ok_or_else(wrong::<Self>)
            .and_then(|number| Self::from_text(&number.to_string()))
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// A hundred years: sums of times with it do not overflow.
const MAX_SECS: u64 = 3_155_760_000;

impl<T: Setting> Setting for Vec<T> {
    const SHAPE: &'static str = "a list; in the environment, separated by commas";
    const IS_SECRET: bool = T::IS_SECRET;

    fn shape() -> String {
        format!("{}; each part {}", Self::SHAPE, T::shape())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(T::from_text)
            .collect()
    }

    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        value
            .as_array()
            .ok_or_else(wrong::<Self>)?
            .iter()
            .map(T::from_toml)
            .collect()
    }

    fn show(&self) -> String {
        format!(
            "[{}]",
            self.iter().map(T::show).collect::<Vec<_>>().join(", ")
        )
    }
}

impl<T: Setting> Setting for Option<T> {
    const SHAPE: &'static str = T::SHAPE;
    const IS_SECRET: bool = T::IS_SECRET;

    fn shape() -> String {
        T::shape()
    }

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Ok(None)
        } else {
            T::from_text(text).map(Some)
        }
    }

    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        T::from_toml(value).map(Some)
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "(none)".into(), T::show)
    }
}

impl Setting for Secret<String> {
    const SHAPE: &'static str = "text";
    const IS_SECRET: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Secret::new(text.to_owned()))
    }

    fn show(&self) -> String {
        "(secret)".into()
    }
}

/// Makes a type with `FromStr` (error: text) and `Display` a setting.
macro_rules! setting_from_str {
    ($type:ty, $shape:literal) => {
        impl $crate::settings::Setting for $type {
            const SHAPE: &'static str = $shape;

            fn from_text(text: &str) -> Result<Self, String> {
                text.parse()
                    .map_err(|_| concat!("must be ", $shape).to_owned())
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    };
}
pub(crate) use setting_from_str;

/// Makes a plain enum a setting with one of a few words, case-insensitively.
macro_rules! setting_words {
    ($type:ident, $shape:literal, $($variant:ident = $word:literal),+) => {
        impl ::std::str::FromStr for $type {
            type Err = ();

            fn from_str(text: &str) -> ::std::result::Result<Self, ()> {
                $(if text.eq_ignore_ascii_case($word) {
                    return Ok(Self::$variant);
                })+
                Err(())
            }
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $word),+
                })
            }
        }

        $crate::settings::setting_from_str!($type, $shape);
    };
}
pub(crate) use setting_words;

setting_from_str!(
    std::net::SocketAddr,
    "an address and port such as 127.0.0.1:8000"
);
setting_from_str!(
    crate::settings::Profile,
    "development, staging or production"
);
setting_from_str!(chrono_tz::Tz, "a time zone such as Europe/Berlin");
