//! Settings of the site's own.

use super::Reader;

/// A section of the site's own settings: declare it with [`settings!`](crate::settings!).
pub trait OwnSection: Clone + Send + Sync + 'static {
    /// Its name in `palisade.toml`.
    const SECTION: &'static str;

    /// Reads the section.
    fn read(reader: &mut Reader) -> Self;
}

/// Declares a section of the site's own settings: its fields with descriptions, types and defaults,
/// which may depend on the profile. Values come from the same sources as the framework's:
/// `palisade.toml`, `PALISADE_DESK__EMAIL`, the command line. Register it with
/// [`App::settings`](crate::app::App::settings), and read it with the extractor
/// [`Settings`](crate::app::Settings) or [`Site::own_settings`](crate::app::Site::own_settings).
///
/// ```
/// use palisade::prelude::*;
///
/// palisade::settings! {
///     /// The desk.
///     pub struct DeskSettings("desk") {
///         /// Address of the mails of visitors
///         email: String = |_| "desk@example.org".into();
///         /// Hours until an unanswered message is reported
///         patience_hours: u64 = |profile| if profile.is_development() { 1 } else { 24 };
///     }
/// }
///
/// async fn contact(Settings(desk): Settings<DeskSettings>) -> String {
///     desk.email
/// }
/// App::new()
///     .settings::<DeskSettings>(&[])
///     .routes(Routes::new().route("/contact", public().get(contact)));
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[$about:meta])*
        $visibility:vis struct $name:ident($section:literal) {
            $( $(#[doc = $doc:literal])+ $key:ident: $type:ty = |$profile:pat_param| $default:expr; )*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone)]
        $visibility struct $name {
            $( $(#[doc = $doc])+ pub $key: $type, )*
        }

        impl $crate::settings::OwnSection for $name {
            const SECTION: &'static str = $section;

            fn read(reader: &mut $crate::settings::Reader) -> Self {
                let profile = reader.profile();
                let _ = profile;
                Self {
                    $( $key: {
                        let default: fn($crate::settings::Profile) -> $type = |$profile| $default;
                        reader.read_own(concat!($section, ".", stringify!($key)), concat!($($doc),+).trim_ascii(), default(profile))
                    }, )*
                }
            }
        }
    };
}
