//! Links to files on an origin of their own.

use super::origin::FileOrigin;
use super::row::Model;
use super::service::Service;
use palisade_crypto::signing::Signer;

const PURPOSE: &str = "palisade.file_link";

/// Validity of a link, in seconds. A download that has begun goes on.
pub(super) const VALID: u64 = 60;

impl Service {
    /// A link to a file on its own origin.
    pub(super) fn signed_link(&self, origin: &FileOrigin, row: &Model) -> String {
        let signed = Signer::new(&self.ring, PURPOSE).sign_at(&row.key, self.seconds());
        let signature = signed.strip_prefix(&row.key).unwrap_or_default();
        format!(
            "{origin}/uploaded/{}?s={}",
            row.key,
            signature.trim_start_matches(':')
        )
    }

    /// Whether the site has signed a link to this key within the last minute.
    pub(super) fn is_link(&self, key: &str, signature: &str) -> bool {
        let signed = format!("{key}:{signature}");
        let signer = Signer::new(&self.ring, PURPOSE);
        signer
            .unsign_within(&signed, self.seconds(), VALID)
            .is_ok_and(|signed| signed == key)
    }

    fn seconds(&self) -> u64 {
        u64::try_from(self.now()).unwrap_or_default()
    }
}
