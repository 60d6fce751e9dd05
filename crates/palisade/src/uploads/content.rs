//! Validation and transformation of whole files, on threads of their own.

use super::archive;
#[cfg(feature = "images")]
use super::drawing;
use super::format::{Content, Format, UNKNOWN_TYPE};
use super::kind::{Kind, Treatment};
#[cfg(feature = "images")]
use super::picture;
use super::text;
use super::work::{Fault, Treated, WorkLimits};
use crate::system::FileName;
use std::fs::File;
use std::io::Seek;
use std::path::Path;

/// Validates a file, and transforms it where its kind asks for that. New content goes to an unnamed
/// file in `folder`.
pub(super) fn treat(
    kind: Kind,
    (name, format): (FileName, Option<Format>),
    mut file: File,
    (folder, limits): (&Path, WorkLimits),
) -> Result<Treated, Fault> {
    file.rewind()?;
    let Some(format) = format else {
        return Ok(stored(file, &name, UNKNOWN_TYPE));
    };
    match kind.treatment {
        #[cfg(feature = "images")]
        Treatment::Picture => picture::encode_again((&name, format), file, (folder, limits)),
        #[cfg(feature = "images")]
        Treatment::Drawing => drawing::clean(&name, file, folder),
        Treatment::Stored => {
            let _ = folder;
            validate(format, &mut file, limits.most_bytes)?;
            Ok(stored(file, &name, format.media_type()))
        }
    }
}

fn stored(file: File, name: &FileName, media_type: &'static str) -> Treated {
    Treated {
        file,
        name: name.to_string(),
        media_type,
    }
}

fn validate(format: Format, file: &mut File, most: u64) -> Result<(), Fault> {
    match format.content {
        Content::Text | Content::Svg => text::validate(file),
        Content::Magic(_) => text::validate_pdf(file),
        Content::OpenXml(folder) => {
            archive::validate(file, (&archive::Wanted::Folder(folder), most))
        }
        Content::OpenDocument => archive::validate(
            file,
            (&archive::Wanted::MediaType(format.media_type()), most),
        ),
    }
}
