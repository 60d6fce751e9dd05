//! Drawings are written again with the elements and attributes of an allow-list.

use super::format::SVG;
use super::refusal::Refusal;
use super::work::{Fault, Treated};
use crate::system::FileName;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;
use svg_hush::{Filter, data_url_filter};

/// Most bytes of a cleaned drawing, as a multiple of the one that was sent: quotes and line breaks are
/// added.
const GROWTH: u64 = 4;

/// A drawing of a program declares no entities, which can grow without a limit.
fn check_entities(file: &mut File) -> Result<(), Fault> {
    let mut rest = Vec::new();
    loop {
        let read = Read::by_ref(file).take(64 * 1024).read_to_end(&mut rest)?;
        let has = |mark: &[u8]| {
            rest.windows(mark.len())
                .any(|bytes| bytes.eq_ignore_ascii_case(mark))
        };
        if has(b"<!ENTITY") || has(b"<!ATTLIST") {
            return Err(Refusal::Active("entities").into());
        }
        if read == 0 {
            file.rewind()?;
            return Ok(());
        }
        rest.drain(..rest.len().saturating_sub(16));
    }
}

/// A file of bounded length.
struct Bounded {
    file: File,
    left: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| io::Error::other("the drawing grows too much"))?;
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// An SVG without scripts, foreign content, animated links, and links other than to pictures in it.
pub(super) fn clean(name: &FileName, mut file: File, folder: &Path) -> Result<Treated, Fault> {
    check_entities(&mut file)?;
    let most = file.metadata()?.len().saturating_mul(GROWTH) + 4096;
    let mut filter = Filter::new();
    filter.set_data_url_filter(data_url_filter::allow_standard_images);
    let bounded = Bounded {
        file: tempfile::tempfile_in(folder)?,
        left: most,
    };
    let mut out = BufWriter::new(bounded);
    filter
        .filter(BufReader::new(file), &mut out)
        .map_err(|_| Refusal::Damaged)?;
    out.flush()?;
    let bounded = out.into_inner().map_err(|error| error.into_error())?;
    let mut file = bounded.file;
    file.rewind()?;
    Ok(Treated {
        file,
        name: name.to_string(),
        media_type: SVG.media_type(),
    })
}
