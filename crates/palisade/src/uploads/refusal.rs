use std::fmt;

/// Why a file is refused, as a sentence for its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A name with a path, control characters, or the name of a device.
    Name,
    /// `report.pdf.exe`, or `page.html.png`.
    TwoEndings(String),
    /// An ending that the kind does not have; the formats of the kind.
    Ending(String),
    /// The declared type is that of another format; the ending.
    DeclaredType(String),
    /// The content is that of another format; the ending.
    Content(String),
    /// More bytes than the field takes.
    TooLarge(u64),
    /// The file is empty.
    Empty,
    /// A script, a macro or another program in it: its name.
    Active(&'static str),
    /// A second format behind or before the first.
    Polyglot,
    /// An archive that is not readable, or grows too much when unpacked.
    Archive(&'static str),
    /// A picture with too many pixels; the limit in millions.
    #[cfg(feature = "images")]
    Pixels(u64),
    /// A picture or a drawing that cannot be decoded.
    #[cfg(feature = "images")]
    Damaged,
    /// The files of the user would be more than the site stores.
    Quota,
    /// The virus scanner found something.
    Infected,
}

impl Refusal {
    /// A word for the audit log.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::TwoEndings(_) => "two endings",
            Self::Ending(_) => "ending",
            Self::DeclaredType(_) => "declared type",
            Self::Content(_) => "content",
            Self::TooLarge(_) => "size",
            Self::Empty => "empty",
            Self::Active(_) => "active content",
            Self::Polyglot => "polyglot",
            Self::Archive(_) => "archive",
            #[cfg(feature = "images")]
            Self::Pixels(_) => "pixels",
            #[cfg(feature = "images")]
            Self::Damaged => "damaged",
            Self::Quota => "quota",
            Self::Infected => "infected",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str(
                "The name of this file is not accepted. Rename it, and choose it again.",
            ),
            Self::TwoEndings(endings) => write!(
                f,
                "The name of this file has two endings, {endings}. Rename it, and choose it again."
            ),
            Self::Ending(listed) => write!(f, "Choose {listed}."),
            Self::DeclaredType(ending) | Self::Content(ending) => {
                write!(
                    f,
                    "The content of this file is not that of a .{ending} file."
                )
            }
            Self::TooLarge(most) => write!(f, "This file is larger than {}.", size(*most)),
            Self::Empty => f.write_str("This file is empty."),
            Self::Active(what) => write!(f, "This file has {what}, and is not accepted."),
            Self::Polyglot => f.write_str("This file is two files in one, and is not accepted."),
            Self::Archive(why) => write!(f, "This file {why}."),
            #[cfg(feature = "images")]
            Self::Pixels(most) => {
                write!(f, "This picture has more than {most} million pixels.")
            }
            #[cfg(feature = "images")]
            Self::Damaged => f.write_str("This file is damaged: it cannot be read."),
            Self::Quota => f.write_str(
                "There is no room for this file: your files have the size that this site stores.",
            ),
            Self::Infected => {
                f.write_str("The virus scanner found something in this file. It was not accepted.")
            }
        }
    }
}

/// A number of bytes for a user: whole megabytes where possible.
pub(crate) fn size(bytes: u64) -> String {
    let tenths = |unit: u64| (bytes.saturating_mul(10) + unit / 2) / unit;
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_048_576 => format!("{} KB", (bytes + 512) / 1024),
        1_048_576..1_073_741_824 => tenth(tenths(1 << 20), "MB"),
        _ => tenth(tenths(1 << 30), "GB"),
    }
}

fn tenth(tenths: u64, unit: &str) -> String {
    match tenths % 10 {
        0 => format!("{} {unit}", tenths / 10),
        rest => format!("{}.{rest} {unit}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let shown = [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_500, "1 KB"),
            (5 << 20, "5 MB"),
            (1_572_864, "1.5 MB"),
            (1 << 30, "1 GB"),
        ];
        for (bytes, text) in shown {
            assert_eq!(size(bytes), text);
        }
    }
}
