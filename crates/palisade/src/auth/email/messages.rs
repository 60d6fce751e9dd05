//! The mails of accounts, from the templates `mail/….html`. Of a client's input they contain names
//! and addresses only, each in a line of its own.

use crate::auth::email::codes::MailedCode;
use crate::auth::tokens::{Purpose, Token};
use crate::mail::Letter;
use palisade_template::{Value, context};

/// Values that all mails share.
#[derive(Clone, Copy)]
pub(in crate::auth) struct Letterhead<'a> {
    /// Base URL of links.
    pub(in crate::auth) base: &'a str,
}

impl Letterhead<'_> {
    fn letter(&self, to: &str, template: &'static str, values: Value) -> Letter {
        Letter {
            to: to.to_owned(),
            template,
            values: context! { base => self.base, ..values },
        }
    }

    pub(in crate::auth) fn reset_link<P: Purpose>(&self, token: &Token<P>) -> String {
        self.link("reset/new", token)
    }

    fn link<P: Purpose>(&self, page: &str, token: &Token<P>) -> String {
        format!("{}/account/{page}?token={}", self.base, token.expose())
    }

    pub(in crate::auth) fn confirm_sign_up<P: Purpose>(
        &self,
        to: &str,
        token: &Token<P>,
    ) -> Letter {
        self.letter(
            to,
            "mail/sign_up.html",
            context! { link => self.link("confirm", token) },
        )
    }

    pub(in crate::auth) fn has_account(&self, to: &str, username: &str) -> Letter {
        self.letter(to, "mail/has_account.html", context! { username })
    }

    pub(in crate::auth) fn name_taken(&self, to: &str, username: &str) -> Letter {
        self.letter(to, "mail/name_taken.html", context! { username })
    }

    pub(in crate::auth) fn login_code(
        &self,
        to: &str,
        username: &str,
        code: &MailedCode,
    ) -> Letter {
        let link = format!(
            "{}/account/login/mail/code?token={}",
            self.base,
            code.expose()
        );
        self.letter(
            to,
            "mail/login_code.html",
            context! { username, code => code.expose(), link },
        )
    }

    pub(in crate::auth) fn again_code(
        &self,
        to: &str,
        username: &str,
        code: &MailedCode,
    ) -> Letter {
        self.letter(
            to,
            "mail/reauthenticate_code.html",
            context! { username, code => code.expose() },
        )
    }

    /// To an account without a password, after a request to reset it.
    pub(in crate::auth) fn no_password(&self, to: &str, username: &str) -> Letter {
        self.letter(to, "mail/no_password.html", context! { username })
    }

    #[cfg(feature = "social")]
    pub(in crate::auth) fn address_code(&self, to: &str, code: &MailedCode) -> Letter {
        self.letter(
            to,
            "mail/address_code.html",
            context! { code => code.expose() },
        )
    }

    /// To the address of a closed account, after any request.
    pub(in crate::auth) fn account_closed(&self, to: &str, username: &str) -> Letter {
        self.letter(to, "mail/closed.html", context! { username })
    }

    /// To an address without an account.
    pub(in crate::auth) fn no_login(&self, to: &str) -> Letter {
        self.letter(to, "mail/no_login.html", Value::UNDEFINED)
    }

    pub(in crate::auth) fn reset(&self, to: &str, username: &str, link: &str) -> Letter {
        self.letter(to, "mail/reset.html", context! { username, link })
    }

    pub(in crate::auth) fn no_account(&self, to: &str) -> Letter {
        self.letter(to, "mail/no_account.html", Value::UNDEFINED)
    }

    pub(in crate::auth) fn approve_change<P: Purpose>(
        &self,
        to: &str,
        username: &str,
        new: &str,
        token: &Token<P>,
    ) -> Letter {
        self.letter(
            to,
            "mail/email_approve.html",
            context! { username, new, link => self.link("email/confirm", token) },
        )
    }

    pub(in crate::auth) fn confirm_address<P: Purpose>(
        &self,
        to: &str,
        username: &str,
        token: &Token<P>,
    ) -> Letter {
        self.letter(
            to,
            "mail/email_confirm.html",
            context! { username, link => self.link("email/confirm", token) },
        )
    }

    /// To the owner of an account after a change (ASVS 6.3.7).
    pub(in crate::auth) fn change_notice(&self, to: &str, username: &str, what: &str) -> Letter {
        self.letter(to, "mail/changed.html", context! { username, what })
    }
}
