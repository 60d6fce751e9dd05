//! The words of the mail that accounts send. Nothing that somebody typed stands in them but names and addresses, each in a line of its own.

use super::codes::MailedCode;
use super::tokens::{Purpose, Token};
use crate::mail::Mail;

/// What mail says of who is at the other end: the site, and where it is.
pub(super) struct Letterhead<'a> {
    pub(super) base: &'a str,
}

impl Letterhead<'_> {
    fn site(&self) -> &str {
        self.base.split("://").nth(1).unwrap_or(self.base)
    }

    fn mail(&self, to: &str, subject: &str, text: &str) -> Mail {
        let text = format!("{text}\n\n-- \n{}\n", self.base);
        Mail { to: to.to_owned(), subject: format!("{subject} ({})", self.site()), text }
    }

    pub(super) fn reset_link<P: Purpose>(&self, token: &Token<P>) -> String {
        self.link("reset/new", token)
    }

    fn link<P: Purpose>(&self, page: &str, token: &Token<P>) -> String {
        format!("{}/account/{page}?token={}", self.base, token.expose())
    }

    pub(super) fn confirm_sign_up<P: Purpose>(&self, to: &str, token: &Token<P>) -> Mail {
        let text = format!(
            "Somebody, probably you, signed up with this address.\n\nTo finish, open this link within a day and type the password that you chose:\n\n{}\n\n\
             If it was not you, do nothing: without that there is no account.",
            self.link("confirm", token)
        );
        self.mail(to, "Finish your sign-up", &text)
    }

    pub(super) fn has_account(&self, to: &str, username: &str) -> Mail {
        let text = format!(
            "Somebody, probably you, signed up with this address. It has an account already, with the name\n\n    {username}\n\n\
             Log in: {0}/account/login\nForgot the password? {0}/account/reset\n\nIf it was not you, do nothing: nothing has changed.",
            self.base
        );
        self.mail(to, "You have an account", &text)
    }

    pub(super) fn name_taken(&self, to: &str, username: &str) -> Mail {
        let text = format!(
            "Somebody, probably you, signed up with this address and the name\n\n    {username}\n\nThis name is not free. Sign up again with another one:\n\
             {}/account/signup\n\nIf it was not you, do nothing: there is no account.",
            self.base
        );
        self.mail(to, "Choose another name", &text)
    }

    pub(super) fn login_code(&self, to: &str, username: &str, code: &MailedCode) -> Mail {
        let text = format!(
            "Somebody, probably you, wants to log in to the account\n\n    {username}\n\nwith this code, within ten minutes:\n\n    {0}\n\n\
             Type it, or open this link in the browser in which you began:\n\n{1}/account/login/mail/code?token={0}\n\n\
             If it was not you, do nothing, and give this code to nobody: no one who works here asks for it.",
            code.expose(),
            self.base
        );
        self.mail(to, "Your code to log in", &text)
    }

    pub(super) fn again_code(&self, to: &str, username: &str, code: &MailedCode) -> Mail {
        let text = format!(
            "The account\n\n    {username}\n\nis to be changed. Type this code within ten minutes, in the browser in which you began:\n\n    {}\n\n\
             If it was not you, give this code to nobody: somebody is logged in to your account. Look at {}/account/sessions.",
            code.expose(),
            self.base
        );
        self.mail(to, "Your code", &text)
    }

    /// To an account that has no password, where a new one was asked for.
    pub(super) fn no_password(&self, to: &str, username: &str) -> Mail {
        let text = format!(
            "Somebody, probably you, asked for a new password of the account\n\n    {username}\n\nIt has none: log in the way you did before.\n{}/account/login\n\n\
             If that is gone, write to those who run this site. If it was not you, do nothing.",
            self.base
        );
        self.mail(to, "Your account has no password", &text)
    }

    #[cfg(feature = "social")]
    pub(super) fn address_code(&self, to: &str, code: &MailedCode) -> Mail {
        let text = format!(
            "Somebody, probably you, makes an account with this address. To finish, type this code within ten minutes, in the browser in which you began:\n\n    {}\n\n\
             If it was not you, do nothing, and give this code to nobody: without it there is no account.",
            code.expose()
        );
        self.mail(to, "Your code", &text)
    }

    /// To the address of an account that is closed, whatever was asked for.
    pub(super) fn closed(&self, to: &str, username: &str) -> Mail {
        let text = format!(
            "Somebody, probably you, signed up with this address or asked for a new password. The account\n\n    {username}\n\nhas this address and is closed. \
             The staff of this site can open it again: write to them.\n\nIf it was not you, do nothing: nothing has changed."
        );
        self.mail(to, "Your account is closed", &text)
    }

    /// To an address that no account has.
    pub(super) fn no_login(&self, to: &str) -> Mail {
        let text = format!(
            "Somebody, probably you, wanted to log in with this address. No account has it.\n\n\
             Perhaps you signed up with another address. Sign up: {}/account/signup\n\nIf it was not you, do nothing.",
            self.base
        );
        self.mail(to, "There is no account with this address", &text)
    }

    pub(super) fn reset(&self, to: &str, username: &str, link: &str) -> Mail {
        let text = format!(
            "Somebody, probably you, asked for a new password of the account\n\n    {username}\n\nTo choose one, open this link within 15 minutes:\n\n{link}\n\n\
             If it was not you, do nothing: the password stays as it is."
        );
        self.mail(to, "Choose a new password", &text)
    }

    pub(super) fn no_account(&self, to: &str) -> Mail {
        let text = format!(
            "Somebody, probably you, asked for a new password of an account with this address. There is none.\n\n\
             Perhaps you signed up with another address. Sign up: {}/account/signup\n\nIf it was not you, do nothing.",
            self.base
        );
        self.mail(to, "There is no account with this address", &text)
    }

    pub(super) fn approve_change<P: Purpose>(&self, to: &str, username: &str, new: &str, token: &Token<P>) -> Mail {
        let text = format!(
            "Somebody, probably you, wants mail of the account\n\n    {username}\n\nto go to another address:\n\n    {new}\n\n\
             If this is right, open this link within an hour; the other address gets one too, and both are needed:\n\n{}\n\n\
             If it was not you, somebody knows your password. Change it: {}/account/password",
            self.link("email/confirm", token),
            self.base
        );
        self.mail(to, "Is your address to change?", &text)
    }

    pub(super) fn confirm_address<P: Purpose>(&self, to: &str, username: &str, token: &Token<P>) -> Mail {
        let text = format!(
            "Somebody, probably you, wants mail of the account\n\n    {username}\n\nto go to this address. If this is right, open this link within an hour:\n\n{}\n\n\
             If it was not you, do nothing.",
            self.link("email/confirm", token)
        );
        self.mail(to, "Is this your address?", &text)
    }

    /// Something about an account has changed; whoever did not do it must hear of it (ASVS 6.3.7).
    pub(super) fn changed(&self, to: &str, username: &str, what: &str) -> Mail {
        let text = format!(
            "{what}\n\nThis is about the account\n\n    {username}\n\nIf it was not you, choose a new password now: {0}/account/reset\n\n\
             Then look at {0}/account for passkeys, apps and logins that are not yours, and remove them: a new password does not. If you do not get in, write to \
             those who run this site.",
            self.base
        );
        self.mail(to, "Your account has changed", &text)
    }
}
