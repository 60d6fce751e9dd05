use std::fmt;
use std::ops::Deref;
use unicode_normalization::UnicodeNormalization;

/// The name of a file in a [`Folder`](super::Folder): one component, which means the same on every
/// system. Unicode NFC, at most 255 bytes, without `/ \ : * ? " < > |`, control and bidirectional
/// characters, a dot at its beginning or end, and the names of Windows' devices.
///
/// ```
/// use palisade::system::FileName;
/// assert!(FileName::new("report 2026.pdf").is_some());
/// for name in ["", "..", "../x", "a/b", ".env", "CON", "nul.txt", "a.", "x\0y"] {
///     assert!(FileName::new(name).is_none(), "{name}");
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(String);

/// Longest name, in bytes.
const LONGEST: usize = 255;
/// Devices of Windows, with any extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

impl FileName {
    /// A name. `None` for another text.
    pub fn new(text: &str) -> Option<Self> {
        let name: String = text.nfc().collect();
        is_name(&name).then_some(Self(name))
    }
}

fn is_name(name: &str) -> bool {
    let is_bad = |c: char| {
        c.is_control()
            || r#"/\:*?"<>|"#.contains(c)
            || matches!(c, '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    (1..=LONGEST).contains(&name.len())
        && !name.chars().any(is_bad)
        && !name.starts_with(['.', ' ', '-'])
        && !name.ends_with(['.', ' '])
        && !is_device(name)
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.trim_end().to_lowercase();
    let is_port = ["com", "lpt"].iter().any(|port| {
        let number = stem
            .strip_prefix(port)
            .map(|number| number.chars().collect::<Vec<_>>());
        // Windows takes superscript digits, too
        number.is_some_and(|number| {
            matches!(number[..], ['0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'])
        })
    });
    is_port || DEVICES.contains(&stem.as_str())
}

impl Deref for FileName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
