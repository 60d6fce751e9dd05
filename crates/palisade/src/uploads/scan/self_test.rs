//! The self-test: a scanner that does not find the test virus at the end of the longest file has
//! limits below those of the site, or no signatures, and its OK says nothing.

use super::{Clamd, ScannerAway, Verdict};
use crate::uploads::archive::UNPACKED;
use crate::uploads::bytes::stream_of;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The two halves of the EICAR test file ([eicar.org](https://www.eicar.org/download-anti-malware-testfile/)),
/// apart, so that no scanner finds it in this program.
const EICAR: [&str; 2] = [
    "X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
    "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
];

/// Sends an archive of `length` bytes, and more when it is unpacked, whose last entry is the test
/// virus.
pub(super) async fn run(clamd: &Clamd, length: u64, folder: &Path) -> Result<(), ScannerAway> {
    let folder = folder.to_owned();
    let archive = tokio::task::spawn_blocking(move || padded(length, &folder)).await;
    let archive = archive.map_err(io::Error::other)??;
    match clamd.scan(stream_of(archive)).await? {
        Verdict::Infected(_) => Ok(()),
        Verdict::Clean => Err(ScannerAway(format!(
            "the virus scanner did not find the test virus at the end of {length} bytes: raise \
                StreamMaxLength, MaxScanSize and MaxFileSize of clamd, or lower uploads.max_form_bytes"
        ))),
    }
}

fn padded(length: u64, folder: &Path) -> io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let mut archive = ZipWriter::new(tempfile::tempfile_in(folder)?);
    let plain = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file("padding", plain)?;
    let piece = [b'.'; 64 * 1024];
    for _ in 0..length / piece.len() as u64 {
        archive.write_all(&piece)?;
    }
    let packed = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for part in 1..UNPACKED {
        archive.start_file(format!("packed {part}"), packed)?;
        for _ in 0..length / piece.len() as u64 {
            archive.write_all(&piece)?;
        }
    }
    archive.start_file("eicar.com", plain)?;
    archive.write_all(EICAR.concat().as_bytes())?;
    let mut file = archive.finish()?;
    file.rewind()?;
    Ok(file)
}
