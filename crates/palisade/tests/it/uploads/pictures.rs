//! Pictures have pixels only when they are stored.

use super::{errors, files_of, picture, png, rows, send, site, stored};
use image::ImageFormat;
use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::{Delay, Frame, ImageEncoder, Rgb, RgbImage, RgbaImage};

/// EXIF with an orientation, and a marker in a description.
fn exif(orientation: u16, marker: &str) -> Vec<u8> {
    let text = [marker.as_bytes(), b"\0"].concat();
    let mut tiff = b"II*\x00\x08\x00\x00\x00\x02\x00".to_vec();
    // ImageDescription, ASCII
    tiff.extend_from_slice(&[0x0e, 0x01, 0x02, 0x00]);
    tiff.extend_from_slice(&(text.len() as u32).to_le_bytes());
    tiff.extend_from_slice(&38_u32.to_le_bytes());
    // Orientation, SHORT
    tiff.extend_from_slice(&[0x12, 0x01, 0x03, 0x00, 0x01, 0x00, 0x00, 0x00]);
    tiff.extend_from_slice(&u32::from(orientation).to_le_bytes());
    tiff.extend_from_slice(&[0; 4]);
    tiff.extend_from_slice(&text);
    tiff
}

/// A JPEG of 40×20 whose left half is red, with EXIF.
fn photo(orientation: u16, marker: &str) -> Vec<u8> {
    let pixels = RgbImage::from_fn(40, 20, |x, _| {
        if x < 20 {
            Rgb([220, 20, 20])
        } else {
            Rgb([20, 20, 220])
        }
    });
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder
        .set_exif_metadata(exif(orientation, marker))
        .unwrap();
    encoder.encode_image(&pixels).unwrap();
    bytes
}

// helpyio/helpy#1697, F082: no place and no name of a camera is left, and the picture is upright
#[tokio::test]
async fn metadata_goes_and_orientation_is_applied() {
    let (_site, mut ann) = site(&[]).await;
    let marker = "canary-of-a-camera";
    let photo = photo(6, marker);
    assert!(
        photo
            .windows(marker.len())
            .any(|bytes| bytes == marker.as_bytes())
    );
    let sent = send(&mut ann, ("shot", "a.jpg", "image/jpeg"), &photo).await;
    let url = files_of(&mut ann, &sent).await.remove(0);
    let got = ann.get(&url).await;
    assert!(
        !got.bytes
            .windows(marker.len())
            .any(|bytes| bytes == marker.as_bytes())
    );
    let shown = image::load_from_memory(&got.bytes).unwrap().into_rgb8();
    assert_eq!(shown.dimensions(), (20, 40), "turned by a quarter");
    // the left half is on top now
    assert!(shown.get_pixel(10, 3)[0] > 180 && shown.get_pixel(10, 36)[2] > 180);
}

// GIFAR, PNG with an archive, PHP in a comment: what is stored has none of it
#[tokio::test]
async fn polyglots_lose_their_second_half() {
    let (_site, mut ann) = site(&[]).await;
    let payload = b"<?php system('id'); ?><script>alert(1)</script>PK\x05\x06";
    for (name, media_type, format) in [
        ("a.png", "image/png", ImageFormat::Png),
        ("a.jpg", "image/jpeg", ImageFormat::Jpeg),
        ("a.gif", "image/gif", ImageFormat::Gif),
        ("a.webp", "image/webp", ImageFormat::WebP),
    ] {
        let content = [&picture(format)[..], payload].concat();
        let sent = send(&mut ann, ("shot", name, media_type), &content).await;
        let url = files_of(&mut ann, &sent).await.remove(0);
        let got = ann.get(&url).await;
        for part in [&b"<?php"[..], b"<script", b"PK\x05\x06"] {
            assert!(
                !got.bytes.windows(part.len()).any(|bytes| bytes == part),
                "{name}"
            );
        }
        let kind = got.header("content-type");
        assert!(
            ["image/png", "image/jpeg"].contains(&kind),
            "{name}: {kind}"
        );
        let ending = if kind == "image/png" {
            "a.png"
        } else {
            "a.jpg"
        };
        assert!(
            got.header("content-disposition")
                .ends_with(&format!("{ending}\"")),
            "{}",
            got.header("content-disposition")
        );
    }
}

// V5.2.6: the size in the header is judged before a pixel is decoded
#[tokio::test]
async fn pixel_floods_are_refused() {
    let (site, mut ann) = site(&[("uploads.max_megapixels", "1")]).await;
    let mut flood = png();
    // width and height of the header, and its checksum
    flood[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
    let sum = crc(&flood[12..29]);
    flood[29..33].copy_from_slice(&sum.to_be_bytes());
    let sent = send(&mut ann, ("shot", "a.png", "image/png"), &flood).await;
    assert!(
        errors(&sent).contains("more than 1 million pixels"),
        "{}",
        errors(&sent)
    );
    let big = RgbImage::from_pixel(1200, 1000, Rgb([1, 2, 3]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    big.write_to(&mut bytes, ImageFormat::Png).unwrap();
    let sent = send(&mut ann, ("shot", "a.png", "image/png"), bytes.get_ref()).await;
    assert!(
        errors(&sent).contains("more than 1 million pixels"),
        "{}",
        errors(&sent)
    );
    assert_eq!((rows(&site).await, stored(&site)), (0, Vec::new()));
}

/// CRC-32 of a PNG chunk.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                (sum >> 1) ^ 0xedb8_8320
            } else {
                sum >> 1
            }
        })
    })
}

// the first frame of an animation is the picture
#[tokio::test]
async fn animations_become_their_first_frame() {
    let (_site, mut ann) = site(&[]).await;
    let mut gif = Vec::new();
    {
        let mut encoder = GifEncoder::new(&mut gif);
        for frame in 0..50_u8 {
            let pixels = RgbaImage::from_pixel(30, 20, image::Rgba([frame * 5, 0, 0, 255]));
            let frame = Frame::from_parts(pixels, 0, 0, Delay::from_numer_denom_ms(10, 1));
            encoder.encode_frame(frame).unwrap();
        }
    }
    let sent = send(&mut ann, ("shot", "a.gif", "image/gif"), &gif).await;
    let url = files_of(&mut ann, &sent).await.remove(0);
    let got = ann.get(&url).await;
    let shown = image::load_from_memory(&got.bytes).unwrap().into_rgb8();
    assert_eq!(
        (got.header("content-type"), shown.dimensions()),
        ("image/png", (30, 20))
    );
    assert_eq!(shown.get_pixel(0, 0)[0], 0, "the first frame");
}
