//! Pages: rendering with common values, error pages without details, and the context of a request.
//!
//! A handler takes [`Page`] and returns [`Result`], such as
//! `page.render("tickets/show.html", context! { ticket })`. The page provides the authenticated
//! user, the messages, the CSRF token of its forms and the nonce of its scripts.

mod context;
mod context_value;
#[cfg(debug_assertions)]
mod debug_page;
mod development;
mod error;
mod error_page;
pub(crate) mod filters;
mod now;
mod page;
mod paging;
mod path;
mod reload;
#[cfg(test)]
mod tests;

pub use context::{PageName, PageValues, Personal, RequestContext, SiteViews, UserLookup};
pub(crate) use context::{current_context, current_request};
pub use context_value::{ContextValue, map_value};
pub use development::Development;
pub use error::{Error, ErrorKind, Failure, Or404, Place, Result};
#[cfg(feature = "sentry")]
pub(crate) use error_page::FaultObserver;
pub(crate) use error_page::{Explained, is_bare_error, render_error};
pub use now::Now;
pub(crate) use now::SiteClock;
pub use page::Page;
pub use paging::Paging;
pub use path::Path;
pub(crate) use reload::RELOAD;

use palisade_template::Layer;

/// The framework's templates; a site's template of the same name takes precedence. For its name and
/// links on every page, a site has a `base.html` that extends `palisade/skeleton.html` and fills
/// the blocks `brand` and `nav`.
pub fn templates() -> Layer {
    Layer::embedded(&[
        (
            "palisade/skeleton.html",
            include_str!("templates/skeleton.html"),
        ),
        ("palisade/bare.html", include_str!("templates/bare.html")),
        ("base.html", include_str!("templates/base.html")),
        ("error.html", include_str!("templates/error.html")),
        ("palisade/form.html", include_str!("templates/form.html")),
        (
            "palisade/password_strength.html",
            include_str!("templates/password_strength.html"),
        ),
        ("account/login.html", include_str!("templates/login.html")),
        (
            "account/login_ways.html",
            include_str!("templates/login_ways.html"),
        ),
        (
            "account/login_mail.html",
            include_str!("templates/login_mail.html"),
        ),
        (
            "account/login_code.html",
            include_str!("templates/login_code.html"),
        ),
        ("account/going.html", include_str!("templates/going.html")),
        #[cfg(feature = "social")]
        ("account/logins.html", include_str!("templates/logins.html")),
        #[cfg(feature = "social")]
        (
            "account/social_address.html",
            include_str!("templates/social_address.html"),
        ),
        #[cfg(feature = "social")]
        (
            "account/social_confirm.html",
            include_str!("templates/social_confirm.html"),
        ),
        ("account/signup.html", include_str!("templates/signup.html")),
        (
            "account/password.html",
            include_str!("templates/password.html"),
        ),
        ("account/sent.html", include_str!("templates/sent.html")),
        ("account/unsent.html", include_str!("templates/unsent.html")),
        (
            "account/confirm.html",
            include_str!("templates/confirm.html"),
        ),
        ("account/reset.html", include_str!("templates/reset.html")),
        (
            "account/new_password.html",
            include_str!("templates/new_password.html"),
        ),
        (
            "account/dead_link.html",
            include_str!("templates/dead_link.html"),
        ),
        ("account/email.html", include_str!("templates/email.html")),
        (
            "account/email_confirm.html",
            include_str!("templates/email_confirm.html"),
        ),
        (
            "account/overview.html",
            include_str!("templates/overview.html"),
        ),
        (
            "account/profile.html",
            include_str!("templates/profile.html"),
        ),
        ("account/export.html", include_str!("templates/export.html")),
        ("account/close.html", include_str!("templates/close.html")),
        ("account/second.html", include_str!("templates/second.html")),
        (
            "account/factors.html",
            include_str!("templates/factors.html"),
        ),
        #[cfg(feature = "passkeys")]
        (
            "account/passkey.html",
            include_str!("templates/passkey.html"),
        ),
        #[cfg(feature = "passkeys")]
        (
            "account/passkey_add.html",
            include_str!("templates/passkey_add.html"),
        ),
        ("account/app.html", include_str!("templates/app.html")),
        ("account/codes.html", include_str!("templates/codes.html")),
        (
            "account/reauthenticate.html",
            include_str!("templates/reauthenticate.html"),
        ),
        (
            "account/reauthenticate_code.html",
            include_str!("templates/reauthenticate_code.html"),
        ),
        (
            "account/sessions.html",
            include_str!("templates/sessions.html"),
        ),
        ("account/tokens.html", include_str!("templates/tokens.html")),
        ("account/token.html", include_str!("templates/token.html")),
        ("account/locks.html", include_str!("templates/locks.html")),
        ("account/delete.html", include_str!("templates/delete.html")),
        (
            "mail/skeleton.html",
            include_str!("templates/mail/skeleton.html"),
        ),
        #[cfg(feature = "social")]
        (
            "mail/address_code.html",
            include_str!("templates/mail/address_code.html"),
        ),
        (
            "mail/reauthenticate_code.html",
            include_str!("templates/mail/reauthenticate_code.html"),
        ),
        (
            "mail/changed.html",
            include_str!("templates/mail/changed.html"),
        ),
        (
            "mail/closed.html",
            include_str!("templates/mail/closed.html"),
        ),
        (
            "mail/email_approve.html",
            include_str!("templates/mail/email_approve.html"),
        ),
        (
            "mail/email_confirm.html",
            include_str!("templates/mail/email_confirm.html"),
        ),
        (
            "mail/has_account.html",
            include_str!("templates/mail/has_account.html"),
        ),
        (
            "mail/login_code.html",
            include_str!("templates/mail/login_code.html"),
        ),
        (
            "mail/name_taken.html",
            include_str!("templates/mail/name_taken.html"),
        ),
        (
            "mail/no_account.html",
            include_str!("templates/mail/no_account.html"),
        ),
        (
            "mail/no_login.html",
            include_str!("templates/mail/no_login.html"),
        ),
        (
            "mail/no_password.html",
            include_str!("templates/mail/no_password.html"),
        ),
        ("mail/reset.html", include_str!("templates/mail/reset.html")),
        (
            "mail/sign_up.html",
            include_str!("templates/mail/sign_up.html"),
        ),
    ])
}
