use std::fmt;
use zeroize::Zeroize;

/// A value that is never printed, compared with `==` or serialised, and that is wiped from memory when dropped.
///
/// It has no `Display` and no `Serialize`; `Debug` prints `Secret(…)`. The one way to the value is [`Secret::expose`],
/// which is easy to search for in a review.
///
/// ```
/// # use palisade_crypto::Secret;
/// let password = Secret::new(String::from("correct horse"));
/// assert_eq!(format!("{password:?}"), "Secret(…)");
/// assert_eq!(password.expose().len(), 13);
/// ```
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Do not log it, store it in plaintext or compare it with `==`.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl From<String> for Secret<String> {
    fn from(value: String) -> Self {
        Self(value)
    }
}
