//! Pictures are decoded and encoded again: a stored one has pixels only.

use super::format::{Format, GIF, JPEG, PNG, WEBP};
use super::refusal::Refusal;
use super::work::{Fault, Treated, WorkLimits};
use crate::system::FileName;
use image::codecs::gif::GifDecoder;
use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::error::ImageError;
use image::{DynamicImage, ImageDecoder, ImageFormat, Limits};
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::path::Path;

/// Of 100.
const JPEG_QUALITY: u8 = 88;
/// Bytes of a decoded pixel: sixteen bits of a colour are for half as many pixels.
const BYTES_PER_PIXEL: u64 = 4;

/// Decodes a picture of this format, and no other, within limits, and encodes it again: as JPEG
/// where it was a photograph, otherwise as PNG.
pub(super) fn encode_again(
    (name, format): (&FileName, Format),
    file: File,
    (folder, limits): (&Path, WorkLimits),
) -> Result<Treated, Fault> {
    let picture = decode(format, file, limits.megapixels)?;
    let is_photo =
        format.name == JPEG.name || (format.name == WEBP.name && !picture.color().has_alpha());
    let target = if is_photo { JPEG } else { PNG };
    let mut out = BufWriter::new(tempfile::tempfile_in(folder)?);
    match is_photo {
        true => {
            let mut encoder = JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY);
            encoder.encode_image(&picture.into_rgb8())
        }
        false => plain(picture).write_to(&mut out, ImageFormat::Png),
    }
    .map_err(unreadable)?;
    out.flush()?;
    let mut file = out.into_inner().map_err(|error| error.into_error())?;
    file.rewind()?;
    Ok(Treated {
        file,
        name: with_ending(name, target),
        media_type: target.media_type(),
    })
}

fn decode(format: Format, file: File, megapixels: u64) -> Result<DynamicImage, Fault> {
    let file = BufReader::new(file);
    match format.name {
        name if name == PNG.name => read(
            PngDecoder::with_limits(file, bounds(megapixels)),
            megapixels,
        ),
        name if name == JPEG.name => read(JpegDecoder::new(file), megapixels),
        name if name == GIF.name => read(GifDecoder::new(file), megapixels),
        _ => read(WebPDecoder::new(file), megapixels),
    }
}

fn bounds(megapixels: u64) -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(megapixels * 1_000_000 * BYTES_PER_PIXEL);
    limits
}

/// The size in the header is judged before a pixel is decoded.
fn read<D: ImageDecoder>(
    decoder: Result<D, ImageError>,
    megapixels: u64,
) -> Result<DynamicImage, Fault> {
    let mut decoder = decoder.map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let most = megapixels * 1_000_000;
    if pixels > most || decoder.total_bytes() > most * BYTES_PER_PIXEL {
        return Err(Refusal::Pixels(megapixels).into());
    }
    decoder.set_limits(bounds(megapixels)).map_err(unreadable)?;
    let orientation = decoder.orientation().map_err(unreadable)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Eight bits of each colour, as browsers show them.
fn plain(picture: DynamicImage) -> DynamicImage {
    match picture.color().has_alpha() {
        true => picture.into_rgba8().into(),
        false => picture.into_rgb8().into(),
    }
}

fn unreadable(error: ImageError) -> Fault {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            Fault::Failed(error)
        }
        _ => Refusal::Damaged.into(),
    }
}

fn with_ending(name: &FileName, format: Format) -> String {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    match format.extensions.contains(&ending.to_lowercase().as_str()) {
        true => name.to_string(),
        false => format!("{stem}.{}", format.extensions[0]),
    }
}
