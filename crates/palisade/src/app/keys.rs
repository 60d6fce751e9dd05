use super::SiteSettings;
use crate::checks::{Check, Finding, Level};
use crate::storage::write_private;
use palisade_crypto::{KeyError, KeyRing, Secret};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Checks of the keys.
pub const CHECKS: &[Check<SiteSettings>] = &[
    Check {
        id: "keys.missing",
        django: Some("security.W009"),
        level: Level::Error,
        title: "there is no secret key",
        why: "forged sessions and links could not be detected",
        fix: "run `keys new`, which writes one into the data folder, or set SECRET_KEY_FILE",
        fires: |settings| ring(settings).is_err_and(|error| error == KeyError::Missing),
    },
    Check {
        id: "keys.weak",
        django: Some("security.W009"),
        level: Level::Error,
        title: "the secret key is short, uniform, or made for development",
        why: "an attacker who guesses it can log in as any user",
        fix: "run `keys new` and use what it writes; keep the old key in SECRET_KEY_FALLBACKS \
            only if it is strong",
        fires: |settings| {
            newest(settings).is_some_and(|key| KeyRing::from_keys(vec![key]).is_err())
        },
    },
    Check {
        id: "keys.unreadable",
        django: None,
        level: Level::Error,
        title: "the key file cannot be read",
        why: "a new key would end all sessions, and old signatures could not be verified",
        fix: "make the key file in the data folder readable for the site's user, as text with \
            one key per line",
        fires: |settings| {
            settings.keys.secret.is_none() && KeyFile::in_settings(settings).read().is_err()
        },
    },
    Check {
        id: "keys.readable_by_others",
        django: None,
        level: Level::Error,
        title: "other users of this machine can read the key file",
        why: "they could log in as any user",
        fix: "chmod 600 the key file in the data folder",
        fires: |settings| is_readable_by_others(KeyFile::in_settings(settings).path()),
    },
];

/// Weak older keys: each is a finding of its own, because it still verifies signatures that an
/// attacker can forge.
pub(super) fn weak_fallbacks(settings: &SiteSettings) -> Vec<Finding> {
    let fallbacks = secret_keys(settings)
        .unwrap_or_default()
        .into_iter()
        .skip(1)
        .enumerate();
    let weak = fallbacks
        .filter_map(|(place, key)| Some((place + 1, KeyRing::from_keys(vec![key]).err()?)));
    let finding = |(place, error): (usize, KeyError)| Finding {
        id: "keys.weak_fallback".into(),
        django: Some("security.W025"),
        level: Level::Error,
        title: format!("fallback {place} of the secret keys is weak: {error}"),
        why: "an attacker who guesses it can forge sessions and links".into(),
        fix: format!(
            "remove fallback {place} from SECRET_KEY_FALLBACKS or from the key file; its \
                signatures become invalid"
        ),
    };
    weak.map(finding).collect()
}

/// All keys, newest first: that of the configuration or those of the file, then the fallbacks.
pub(crate) fn secret_keys(settings: &SiteSettings) -> std::io::Result<Vec<Secret<String>>> {
    let mut keys = match &settings.keys.secret {
        Some(secret) => vec![secret.clone()],
        None => KeyFile::in_settings(settings).read()?,
    };
    keys.extend(settings.keys.fallbacks.iter().cloned());
    Ok(keys)
}

fn newest(settings: &SiteSettings) -> Option<Secret<String>> {
    secret_keys(settings).ok()?.into_iter().next()
}

/// The site's key ring.
///
/// # Errors
/// When there is no key or a weak one.
pub(crate) fn ring(settings: &SiteSettings) -> Result<KeyRing, KeyError> {
    KeyRing::from_keys(secret_keys(settings).unwrap_or_default())
}

/// The file with one key on each line, newest first.
#[derive(Debug)]
pub struct KeyFile(PathBuf);

impl KeyFile {
    /// The key file of these settings.
    pub fn in_settings(settings: &SiteSettings) -> Self {
        Self(settings.data().join(&settings.keys.file))
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the keys; none if there is no file. An unreadable file is an error.
    pub(crate) fn read(&self) -> std::io::Result<Vec<Secret<String>>> {
        let text = match std::fs::read_to_string(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => Secret::new(text?),
        };
        let lines = text
            .expose()
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        Ok(lines.map(|line| Secret::new(line.to_owned())).collect())
    }

    /// Prepends a new random key, readable by the owner only. Returns the number of keys.
    ///
    /// # Errors
    /// When the file cannot be written; the old one stays intact.
    pub fn add_key(&self) -> std::io::Result<usize> {
        let mut keys = self.read()?;
        keys.insert(0, KeyRing::generate());
        self.write(&keys)?;
        Ok(keys.len())
    }

    /// Removes the oldest key, and returns the number of keys left.
    ///
    /// # Errors
    /// When another key is the oldest by now, when there is one key only, or when the file cannot
    /// be written; the old file stays intact.
    pub fn remove_oldest(&self, oldest: &Secret<String>) -> std::io::Result<usize> {
        let mut keys = self.read()?;
        if keys.len() < 2
            || keys
                .last()
                .is_none_or(|last| last.expose() != oldest.expose())
        {
            return Err(std::io::Error::other("the file was changed meanwhile"));
        }
        keys.pop();
        self.write(&keys)?;
        Ok(keys.len())
    }

    fn write(&self, keys: &[Secret<String>]) -> std::io::Result<()> {
        let lines: String = keys
            .iter()
            .map(|key| format!("{}\n", key.expose()))
            .collect();
        write_private(&self.0, Zeroizing::new(lines).as_bytes())
    }
}

/// Whether other users of the machine can read a file.
#[cfg(unix)]
pub(super) fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
pub(super) fn is_readable_by_others(_: &Path) -> bool {
    false
}
