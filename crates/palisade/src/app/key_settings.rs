use crate::crypto::Secret;
use crate::settings::section;

section! {
    /// The keys that sign and verify.
    KeySettings("keys") {
        /// The newest key, for sites that keep it in the environment; better a file, by
        /// SECRET_KEY_FILE or keys.file
        secret: Option<Secret<String>> = |_| None;
        /// Older keys, which still verify
        fallbacks: Vec<Secret<String>> = |_| Vec::new();
        /// File in the data folder with one key on each line, newest first
        file: String = |_| "secret.keys".into();
        /// The keys of encrypted columns, for sites that cannot keep a file: the text of such a
        /// file; keys are added to it by hand then
        data: Option<Secret<String>> = |_| None;
        /// File in the data folder with the keys of encrypted columns
        data_file: String = |_| "data.keys".into();
        /// Days after which a new key encrypts columns; 0 for never
        data_days: u64 = |_| 90;
    }
}
