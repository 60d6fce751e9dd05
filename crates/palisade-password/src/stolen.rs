//! Breached passwords: 474,743 of at least 8 characters, of the million most common in the ten
//! million that Mark Burnett collected from leaks and published (the list of `scripts/stolen`). The
//! program contains a filter
//! ([Graf and Lemire, Binary Fuse Filters](https://arxiv.org/abs/2201.01174)) of 1.1 MB, from which
//! no password can be read. It finds every one of them, in upper and lower case; its false positive
//! rate is one in 65,536.

use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use xorf::{BinaryFuse16Ref, DmaSerializable, Filter, FilterRef};

/// Fingerprints of two bytes, with their parameters. Little-endian, like all supported machines.
#[repr(align(2))]
struct Aligned<T: ?Sized>(T);

static FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("stolen.filter"));

static FILTER: LazyLock<BinaryFuse16Ref<'static>> = LazyLock::new(|| {
    let (fingerprints, descriptor) = FILE
        .0
        .split_at(FILE.0.len() - xorf::BinaryFuse16::DESCRIPTOR_LEN);
    BinaryFuse16Ref::from_dma(descriptor, fingerprints)
});

/// Whether a password is on the list.
pub(crate) fn is_stolen(password: &str) -> bool {
    FILTER.contains(&key_of(password))
}

/// Fingerprint of a password. Also used to generate the filter.
pub fn key_of(password: &str) -> u64 {
    let digest = Sha256::digest(password.to_lowercase());
    digest
        .iter()
        .take(8)
        .fold(0, |key, byte| key << 8 | u64::from(*byte))
}
