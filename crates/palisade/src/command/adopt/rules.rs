//! The equivalents of Django's settings.

use super::settings::Value;
use super::verdict::{Compared, Sign};

/// A rule: a setting of Django's, its default, and the equivalent of its value here.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) default: fn() -> Value,
    pub(super) judge: fn(&str, &Value) -> Compared,
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn quote(value: &str) -> String {
    toml::Value::String(value.into()).to_string()
}

fn list(values: &[Value]) -> String {
    let texts = values.iter().filter_map(|value| match value {
        Value::Text(text) => Some(quote(text)),
        _ => None,
    });
    format!("[{}]", texts.collect::<Vec<_>>().join(", "))
}

/// A flag that is always on here.
fn on_here(name: &str, value: &Value, what: &str) -> Compared {
    match value {
        Value::Bool(true) => Compared::new(Sign::Same, name, format!("{what} on both sides")),
        Value::Bool(false) => Compared::new(
            Sign::Stricter,
            name,
            format!("{what} here, and not there: set it to True there too"),
        ),
        _ => unknown(name),
    }
}

fn unknown(name: &str) -> Compared {
    Compared::new(
        Sign::Unknown,
        name,
        "is worked out when Django runs: compare it yourself",
    )
}

/// Whether this site serves a path of Django's.
fn is_below_account(url: &str) -> bool {
    url == "/account" || url.starts_with("/account/")
}

/// A lifetime: shorter is safer.
fn shorter(name: &str, value: &Value, ours: i64, what: &str) -> Compared {
    let Value::Int(theirs) = value else {
        return unknown(name);
    };
    let (sign, says) = match theirs.cmp(&ours) {
        std::cmp::Ordering::Equal => (Sign::Same, format!("{what} after {ours} s on both sides")),
        std::cmp::Ordering::Greater => (
            Sign::Stricter,
            format!("{what} after {ours} s here, {theirs} s there"),
        ),
        std::cmp::Ordering::Less => (
            Sign::Laxer,
            format!("{what} after {theirs} s there, {ours} s here"),
        ),
    };
    Compared::new(sign, name, says)
}

fn cookie_name(name: &str, value: &Value, default: &str, key: &str) -> Compared {
    match value {
        Value::Text(theirs) if theirs == default => {
            Compared::new(Sign::Same, name, format!("{theirs} on both sides"))
        }
        Value::Text(theirs) => {
            Compared::new(Sign::Same, name, format!("{theirs}, by {key}")).write(key, quote(theirs))
        }
        _ => unknown(name),
    }
}

/// Required defaults, without which the two sides do not share a cookie.
fn as_default(name: &str, value: &Value, default: &Value, why: &str) -> Compared {
    match value {
        Value::Unknown => unknown(name),
        theirs if theirs == default => Compared::new(Sign::Same, name, "as here"),
        _ => Compared::new(Sign::Refused, name, why),
    }
}

/// `https://*.example.org` includes `https://example.org` in Django, but not here: both are
/// written.
fn with_parents(origins: &[Value]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for origin in origins {
        all.push(origin.clone());
        if let Value::Text(pattern) = origin
            && pattern.contains("://*.")
        {
            let parent = text(&pattern.replacen("://*.", "://", 1));
            if !origins.contains(&parent) {
                all.push(parent);
            }
        }
    }
    all
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "DEBUG",
        default: || Value::Bool(false),
        judge: |name, value| match value {
            Value::Bool(false) => Compared::new(Sign::Same, name, "off on both sides"),
            Value::Bool(true) => Compared::new(
                Sign::Stricter,
                name,
                "on there: its error pages show settings and variables to all clients; here only a debug build has such pages",
            ),
            _ => unknown(name),
        },
    },
    Rule {
        name: "SECRET_KEY",
        default: || Value::Unknown,
        judge: |name, value| match value {
            Value::Text(key) if key.len() < 50 || key.starts_with("django-insecure-") => {
                Compared::new(
                    Sign::Refused,
                    name,
                    "is short or made by startproject, and stands in the file: production does not start with it. Make a new one, and put the old one into SECRET_KEY_FALLBACKS",
                )
            }
            Value::Text(_) => Compared::new(
                Sign::Stricter,
                name,
                "is in the settings file: anyone with access to the repository can log in as any user. Read it from a file or the environment on both sides",
            ),
            _ => Compared::new(
                Sign::Same,
                name,
                "is not in the file: give this site the same one",
            ),
        },
    },
    Rule {
        name: "ALLOWED_HOSTS",
        default: || Value::List(Vec::new()),
        judge: |name, value| match value {
            Value::List(hosts) if hosts.contains(&text("*")) => Compared::new(
                Sign::Stricter,
                name,
                "takes every name: here name those that the site is reached by",
            )
            .write("http.allowed_hosts", "[\"www.example.org\"] # not *"),
            Value::List(hosts) if !hosts.is_empty() && !hosts.contains(&Value::Unknown) => {
                Compared::new(Sign::Same, name, "the same here")
                    .write("http.allowed_hosts", list(hosts))
            }
            _ => unknown(name),
        },
    },
    Rule {
        name: "LOGIN_URL",
        default: || text("/accounts/login/"),
        judge: |name, value| match value {
            Value::Text(url) if is_below_account(url) => Compared::new(
                Sign::Refused,
                name,
                "is below /account, which this site serves: people would log in here, without a second factor that Django asks for there. Move Django's login elsewhere, such as /accounts/",
            ),
            Value::Text(_) => Compared::new(
                Sign::Same,
                name,
                "is Django's own; this site serves /account, /health, /static, /csp-report and /.well-known",
            ),
            _ => unknown(name),
        },
    },
    Rule {
        name: "SESSION_COOKIE_NAME",
        default: || text("sessionid"),
        judge: |name, value| cookie_name(name, value, "sessionid", "django.session_cookie"),
    },
    Rule {
        name: "SESSION_COOKIE_AGE",
        default: || Value::Int(1_209_600),
        judge: |name, value| shorter(name, value, 604_800, "a session ends"),
    },
    Rule {
        name: "SESSION_EXPIRE_AT_BROWSER_CLOSE",
        default: || Value::Bool(false),
        judge: |name, value| {
            on_here(
                name,
                value,
                "the browser forgets the session when it closes,",
            )
        },
    },
    Rule {
        name: "SESSION_COOKIE_SECURE",
        default: || Value::Bool(false),
        judge: |name, value| on_here(name, value, "the session's cookie is sent over HTTPS only,"),
    },
    Rule {
        name: "SESSION_COOKIE_HTTPONLY",
        default: || Value::Bool(true),
        judge: |name, value| on_here(name, value, "scripts do not read the session's cookie,"),
    },
    Rule {
        name: "SESSION_COOKIE_SAMESITE",
        default: || text("Lax"),
        judge: |name, value| match value {
            Value::Text(theirs) if theirs == "Lax" => {
                Compared::new(Sign::Same, name, "Lax on both sides")
            }
            Value::Text(theirs) if theirs == "Strict" => {
                Compared::new(Sign::Laxer, name, "Strict there, Lax here")
                    .write("sessions.same_site", "\"strict\"")
            }
            Value::Unknown => unknown(name),
            _ => Compared::new(
                Sign::Stricter,
                name,
                "cross-site requests include it there; Lax here, where the side that sets the cookie last decides",
            ),
        },
    },
    Rule {
        name: "SESSION_COOKIE_DOMAIN",
        default: || Value::None,
        judge: |name, value| {
            as_default(
                name,
                value,
                &Value::None,
                "the cookie is for a whole domain there and for one host here: browsers would send two of one name, and both are ignored",
            )
        },
    },
    Rule {
        name: "SESSION_COOKIE_PATH",
        default: || text("/"),
        judge: |name, value| {
            as_default(
                name,
                value,
                &text("/"),
                "the cookie is for a part of the site there: browsers would send two of one name",
            )
        },
    },
    Rule {
        name: "CSRF_COOKIE_NAME",
        default: || text("csrftoken"),
        judge: |name, value| cookie_name(name, value, "csrftoken", "django.csrf_cookie"),
    },
    Rule {
        name: "CSRF_USE_SESSIONS",
        default: || Value::Bool(false),
        judge: |name, value| match value {
            Value::Bool(false) => Compared::new(
                Sign::Laxer,
                name,
                "the secret of form tokens is in a cookie of its own, not tied to a session as this site's alone would be: True is safer on both sides",
            ),
            Value::Bool(true) => Compared::new(
                Sign::Same,
                name,
                "the secret of form tokens is in the session",
            )
            .write("django.csrf_use_sessions", "true"),
            _ => unknown(name),
        },
    },
    Rule {
        name: "CSRF_COOKIE_SECURE",
        default: || Value::Bool(false),
        judge: |name, value| {
            on_here(
                name,
                value,
                "the cookie of form tokens is sent over HTTPS only,",
            )
        },
    },
    Rule {
        name: "CSRF_COOKIE_DOMAIN",
        default: || Value::None,
        judge: |name, value| {
            as_default(
                name,
                value,
                &Value::None,
                "the cookie is for a whole domain there and for one host here",
            )
        },
    },
    Rule {
        name: "CSRF_HEADER_NAME",
        default: || text("HTTP_X_CSRFTOKEN"),
        judge: |name, value| {
            as_default(
                name,
                value,
                &text("HTTP_X_CSRFTOKEN"),
                "scripts would have to send X-CSRFToken to this site and another header to Django",
            )
        },
    },
    Rule {
        name: "CSRF_TRUSTED_ORIGINS",
        default: || Value::List(Vec::new()),
        judge: |name, value| match value {
            Value::List(origins) if origins.is_empty() => {
                Compared::new(Sign::Same, name, "none on both sides")
            }
            Value::List(origins) if !origins.contains(&Value::Unknown) => {
                Compared::new(Sign::Same, name, "the same here")
                    .write("csrf.trusted_origins", list(&with_parents(origins)))
            }
            _ => unknown(name),
        },
    },
    Rule {
        name: "PASSWORD_HASHERS",
        default: || {
            Value::List(vec![text(
                "django.contrib.auth.hashers.PBKDF2PasswordHasher",
            )])
        },
        judge: hashers,
    },
    Rule {
        name: "AUTH_PASSWORD_VALIDATORS",
        default: || Value::List(Vec::new()),
        judge: |name, value| match value {
            Value::List(rules) if rules.is_empty() => Compared::new(
                Sign::Stricter,
                name,
                "every password is taken there; here 12 characters, and none that is common, stolen, or like the name",
            ),
            Value::List(_) => Compared::new(
                Sign::Stricter,
                name,
                "this site's rules hold for passwords that are chosen here: 12 characters, no common and no stolen ones; give MinimumLengthValidator min_length=12 there",
            ),
            _ => unknown(name),
        },
    },
    Rule {
        name: "PASSWORD_RESET_TIMEOUT",
        default: || Value::Int(259_200),
        judge: |name, value| shorter(name, value, 900, "a password reset link expires"),
    },
    Rule {
        name: "AUTHENTICATION_BACKENDS",
        default: || Value::List(vec![text(MODEL_BACKEND)]),
        judge: |name, value| match value {
            Value::List(backends) if backends.contains(&text(MODEL_BACKEND)) => {
                Compared::new(Sign::Same, name, "takes sessions that are made here")
            }
            Value::List(backends) if !backends.contains(&Value::Unknown) => Compared::new(
                Sign::Refused,
                name,
                "has no ModelBackend: Django would not recognise logins made here",
            ),
            _ => unknown(name),
        },
    },
    Rule {
        name: "MESSAGE_STORAGE",
        default: || text("django.contrib.messages.storage.fallback.FallbackStorage"),
        judge: |name, value| match value {
            Value::Text(storage)
                if storage.ends_with("FallbackStorage") || storage.ends_with("CookieStorage") =>
            {
                Compared::new(
                    Sign::Same,
                    name,
                    "messages are in the cookie that both read",
                )
            }
            Value::Unknown => unknown(name),
            _ => Compared::new(
                Sign::Unknown,
                name,
                "messages of the one side are not shown by the other: they share them by FallbackStorage",
            ),
        },
    },
    Rule {
        name: "SECURE_PROXY_SSL_HEADER",
        default: || Value::None,
        judge: |name, value| match value {
            Value::List(parts) if *parts == [text("HTTP_X_FORWARDED_PROTO"), text("https")] => {
                Compared::new(Sign::Same, name, "as this site in front says it")
            }
            Value::Unknown => unknown(name),
            _ => Compared::new(
                Sign::Unknown,
                name,
                "behind this site Django takes HTTPS for HTTP: set it to (\"HTTP_X_FORWARDED_PROTO\", \"https\") there",
            ),
        },
    },
    Rule {
        name: "SECURE_HSTS_SECONDS",
        default: || Value::Int(0),
        judge: |name, value| match value {
            Value::Int(theirs) if *theirs >= 31_536_000 => {
                Compared::new(Sign::Same, name, "a year or more on both sides")
            }
            Value::Int(theirs) => Compared::new(
                Sign::Stricter,
                name,
                format!("{theirs} there, a year here, on all pages that come through this site"),
            ),
            _ => unknown(name),
        },
    },
    Rule {
        name: "SECURE_SSL_REDIRECT",
        default: || Value::Bool(false),
        judge: |name, value| on_here(name, value, "plain HTTP is sent to HTTPS,"),
    },
    Rule {
        name: "X_FRAME_OPTIONS",
        default: || text("DENY"),
        judge: |name, value| match value {
            Value::Text(theirs) if theirs.eq_ignore_ascii_case("deny") => {
                Compared::new(Sign::Same, name, "DENY on both sides")
            }
            Value::Text(theirs) => {
                Compared::new(Sign::Stricter, name, format!("{theirs} there, DENY here"))
            }
            _ => unknown(name),
        },
    },
    Rule {
        name: "SECURE_CSP",
        default: || Value::Map(Vec::new()),
        judge: |name, value| match value {
            Value::Map(parts) if parts.is_empty() => Compared::new(
                Sign::Stricter,
                name,
                "no policy for scripts there; a strict one on pages of this site, and on Django's only what breaks none",
            ),
            _ => Compared::new(Sign::Same, name, "Django's pages keep theirs"),
        },
    },
    Rule {
        name: "USE_TZ",
        default: || Value::Bool(true),
        judge: |name, value| {
            as_default(
                name,
                value,
                &Value::Bool(true),
                "login times would be local there and UTC here, and password reset links would not be valid",
            )
        },
    },
];

const MODEL_BACKEND: &str = "django.contrib.auth.backends.ModelBackend";

/// If the algorithms differ, each side rehashes the other's passwords, which ends all other
/// sessions at every login.
fn hashers(name: &str, value: &Value) -> Compared {
    let Value::List(all) = value else {
        return unknown(name);
    };
    if all.contains(&Value::Unknown) {
        return unknown(name);
    }
    let named = |value: &Value| {
        if let Value::Text(text) = value {
            Some(text.rsplit('.').next().unwrap_or_default().to_owned())
        } else {
            None
        }
    };
    let all: Vec<String> = all.iter().filter_map(named).collect();
    match all.first().map(String::as_str) {
        Some("PBKDF2PasswordHasher") => Compared::new(
            Sign::Same,
            name,
            "PBKDF2 comes first: made here the same way",
        )
        .write("passwords.hasher", "\"pbkdf2_sha256\""),
        Some("Argon2PasswordHasher") => {
            let says = "Argon2 comes first: this site takes Django's, and Django rehashes those of this site, with more memory";
            Compared::new(Sign::Same, name, says).write("passwords.hasher", "\"argon2id\"")
        }
        Some(_) if all.iter().any(|one| one == "PBKDF2PasswordHasher") => {
            let says = "another hasher comes first there: each side would rehash the other's passwords, which would end all sessions. Put PBKDF2PasswordHasher or Argon2PasswordHasher first";
            Compared::new(Sign::Refused, name, says)
        }
        _ => Compared::new(
            Sign::Refused,
            name,
            "neither PBKDF2PasswordHasher nor Argon2PasswordHasher is first: Django would not read what is made here",
        ),
    }
}
