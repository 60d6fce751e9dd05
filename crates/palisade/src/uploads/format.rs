//! Formats of files: their extensions, media types and first bytes.

/// A format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    /// Its name for users.
    pub(super) name: &'static str,
    /// The first one is that of stored files.
    pub(super) extensions: &'static [&'static str],
    /// The first one is that of stored files; browsers declare the others, too.
    pub(super) media_types: &'static [&'static str],
    pub(super) content: Content,
}

/// How the content of a format is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// By its first bytes, as [`infer`] names them.
    Magic(&'static str),
    /// A zip archive with entries below this folder, beside `[Content_Types].xml`.
    OpenXml(&'static str),
    /// A zip archive with the media type as its first entry.
    OpenDocument,
    /// Text in UTF-8.
    Text,
    /// An XML document with the root `svg`.
    #[cfg_attr(
        not(feature = "images"),
        expect(dead_code, reason = "drawings need the feature")
    )]
    Svg,
}

impl Format {
    const fn new(
        name: &'static str,
        extensions: &'static [&'static str],
        media_types: &'static [&'static str],
        content: Content,
    ) -> Self {
        Self {
            name,
            extensions,
            media_types,
            content,
        }
    }

    /// The media type of stored files.
    pub(super) fn media_type(&self) -> &'static str {
        self.media_types[0]
    }
}

use Content::{Magic, OpenDocument, OpenXml, Text};

macro_rules! formats {
    ($($(#[$only:meta])? $constant:ident $name:literal [$($extension:literal),+] [$($media:literal),+] $content:expr;)*) => {
        $(
            $(#[$only])?
            pub(super) const $constant: Format =
                Format::new($name, &[$($extension),+], &[$($media),+], $content);
        )*
    };
}

formats! {
    #[cfg(feature = "images")] PNG "PNG" ["png"] ["image/png", "image/apng"] Magic("image/png");
    #[cfg(feature = "images")] JPEG "JPEG" ["jpg", "jpeg"] ["image/jpeg", "image/pjpeg"] Magic("image/jpeg");
    #[cfg(feature = "images")] GIF "GIF" ["gif"] ["image/gif"] Magic("image/gif");
    #[cfg(feature = "images")] WEBP "WebP" ["webp"] ["image/webp"] Magic("image/webp");
    #[cfg(feature = "images")] SVG "SVG" ["svg"] ["image/svg+xml"] Content::Svg;
    PDF "PDF" ["pdf"] ["application/pdf"] Magic("application/pdf");
    DOCX "DOCX" ["docx"] ["application/vnd.openxmlformats-officedocument.wordprocessingml.document"] OpenXml("word/");
    XLSX "XLSX" ["xlsx"] ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"] OpenXml("xl/");
    PPTX "PPTX" ["pptx"] ["application/vnd.openxmlformats-officedocument.presentationml.presentation"] OpenXml("ppt/");
    ODT "ODT" ["odt"] ["application/vnd.oasis.opendocument.text"] OpenDocument;
    ODS "ODS" ["ods"] ["application/vnd.oasis.opendocument.spreadsheet"] OpenDocument;
    ODP "ODP" ["odp"] ["application/vnd.oasis.opendocument.presentation"] OpenDocument;
    TEXT "TXT" ["txt"] ["text/plain"] Text;
    CSV "CSV" ["csv"] ["text/csv", "application/csv", "application/vnd.ms-excel", "text/plain"] Text;
    TSV "TSV" ["tsv"] ["text/tab-separated-values", "text/plain"] Text;
    MARKDOWN "Markdown" ["md"] ["text/markdown", "text/x-markdown", "text/plain"] Text;
    LOG "LOG" ["log"] ["text/plain", "text/x-log"] Text;
}

/// The media type of a file without a format.
pub(super) const UNKNOWN_TYPE: &str = "application/octet-stream";
