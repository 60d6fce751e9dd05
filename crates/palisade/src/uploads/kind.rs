//! Kinds of files: names, types and contents that go together, and the treatment of a file before it is
//! stored.

use super::format::{CSV, DOCX, Format, LOG, MARKDOWN, ODP, ODS, ODT, PDF, PPTX, TEXT, TSV, XLSX};
#[cfg(feature = "images")]
use super::format::{GIF, JPEG, PNG, SVG, WEBP};

/// A kind of files, as the type of a field: `Upload<Picture, { 5 * MIB }>`.
pub trait FileKind: private::Known + Send + Sync + 'static {
    #[doc(hidden)]
    const KIND: Kind;
}

mod private {
    pub trait Known {}
}

/// Pictures: PNG, JPEG, GIF and WebP. They are decoded within limits and encoded again, without
/// metadata such as places, turned as the camera says, and only the first frame of an animation.
#[cfg(feature = "images")]
#[derive(Debug, Clone, Copy)]
pub enum Picture {}

/// Drawings: SVG without scripts, foreign content and links to other sites.
#[cfg(feature = "images")]
#[derive(Debug, Clone, Copy)]
pub enum Drawing {}

/// Documents: PDF, and files of LibreOffice and Microsoft Office without macros. They are stored
/// as they are, and need a virus scanner.
#[derive(Debug, Clone, Copy)]
pub enum Paper {}

/// Plain text in UTF-8: text, CSV, Markdown and logs. It is stored as it is, and needs a virus
/// scanner.
#[derive(Debug, Clone, Copy)]
pub enum Plain {}

/// Files of any kind, with unknown content: it needs
/// [`App::dangerous_any_file`](crate::app::App::dangerous_any_file), and a virus scanner.
#[derive(Debug, Clone, Copy)]
pub enum Any {}

/// A kind.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub(crate) name: &'static str,
    /// None for [`Any`].
    pub(super) formats: &'static [Format],
    pub(super) treatment: Treatment,
    accept: &'static str,
}

/// The treatment of a file before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Decoded and encoded again.
    #[cfg(feature = "images")]
    Picture,
    /// Parsed and written again with an allow-list.
    #[cfg(feature = "images")]
    Drawing,
    /// Stored as it is.
    Stored,
}

impl Kind {
    /// Whether its files are stored as they came, so that a virus scanner must look at them.
    pub(crate) fn needs_scan(self) -> bool {
        self.treatment == Treatment::Stored
    }

    /// The `accept` attribute.
    pub(super) const fn accept(&self) -> &'static str {
        self.accept
    }

    /// The formats of its files, for a sentence.
    pub(super) fn listed(self) -> String {
        let names: Vec<&str> = self.formats.iter().map(|format| format.name).collect();
        match names.split_last() {
            None => "any file".into(),
            Some((one, [])) => format!("a {one} file"),
            Some((last, others)) => format!("a {} or {last} file", others.join(", ")),
        }
    }
}

macro_rules! kinds {
    ($($(#[$only:meta])? $type:ident $name:literal $treatment:ident [$($format:ident),*] $accept:literal;)*) => {
        $(
            $(#[$only])?
            impl private::Known for $type {}

            $(#[$only])?
            impl FileKind for $type {
                const KIND: Kind = Kind {
                    name: $name,
                    formats: &[$($format),*],
                    treatment: Treatment::$treatment,
                    accept: $accept,
                };
            }
        )*

        /// The kind of a name.
        pub(super) fn kind_of(name: &str) -> Option<Kind> {
            match name {
                $($(#[$only])? $name => Some($type::KIND),)*
                _ => None,
            }
        }
    };
}

kinds! {
    #[cfg(feature = "images")] Picture "picture" Picture [PNG, JPEG, GIF, WEBP] ".png,.jpg,.jpeg,.gif,.webp";
    #[cfg(feature = "images")] Drawing "drawing" Drawing [SVG] ".svg";
    Paper "paper" Stored [PDF, DOCX, XLSX, PPTX, ODT, ODS, ODP] ".pdf,.docx,.xlsx,.pptx,.odt,.ods,.odp";
    Plain "plain" Stored [TEXT, CSV, TSV, MARKDOWN, LOG] ".txt,.csv,.tsv,.md,.log";
    Any "any" Stored [] "";
}
