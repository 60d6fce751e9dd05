//! Passkeys in a real browser, with the authenticator that its driver plays.

use crate::driver::Browser;
use crate::process::{Folder, Server};

const PASSWORD: &str = "correct horse battery staple";

// F030; ASVS 6.3.3, 6.5.1: from sign-up to a login by passkey alone, and back to work after half an hour by the same
#[test]
fn somebody_signs_up_and_logs_in_by_passkey() {
    let Some(driver) = palisade::testing::server("PALISADE_TEST_CHROMEDRIVER") else {
        return;
    };
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let browser = Browser::start(&driver, server.address);
    let authenticator = browser.plug_in_authenticator();
    browser.open("/account/signup");
    for (field, text) in [
        ("username", "ann"),
        ("email", "ann@example.org"),
        ("password", PASSWORD),
        ("password_again", PASSWORD),
    ] {
        browser.type_into(&format!("#id_{field}"), text);
    }
    browser.click("main button");
    browser.open(&server.link_to("ann@example.org"));
    browser.type_into("#id_password", PASSWORD);
    browser.click("main button");
    browser.open("/account/factors");
    browser.click("main form[action='/account/factors/passkey'] button");
    assert_eq!(browser.path(), "/account/factors/passkey");
    assert_eq!(
        browser.eval("[...document.querySelectorAll('label')].every(label => label.control)"),
        true
    );
    browser.type_into("#id_name", "My phone");
    browser.picture("passkey-add");
    browser.click("#passkey button");
    assert_eq!(
        browser.eval("document.querySelectorAll('.codes li').length"),
        10,
        "{}",
        browser.eval("document.body.innerText")
    );
    browser.open("/account/factors");
    assert!(
        browser
            .eval("document.body.innerText")
            .as_str()
            .unwrap()
            .contains("My phone")
    );
    browser.picture("passkeys");
    // the same authenticator, again
    browser.click("main form[action='/account/factors/passkey'] button");
    browser.type_into("#id_name", "Twice");
    browser.press("#passkey button", "exists already");
    browser.click(".account button");

    browser.open("/account/login?next=/tickets/new");
    browser.click("main a[href^='/account/login/ways']");
    browser.picture("login-with-passkey");
    browser.click("main form[action='/account/login/passkey'] button");
    assert_eq!(browser.path(), "/account/passkey");
    browser.verify_user(&authenticator, false);
    browser.press("#passkey button", "No passkey responded");
    browser.verify_user(&authenticator, true);
    browser.click("#passkey button");
    assert_eq!(
        browser.path(),
        "/tickets/new",
        "{}",
        browser.eval("document.body.innerText")
    );
    browser.click(".account button");

    browser.open("/account/login");
    browser.type_into("#id_username", "ann");
    browser.type_into("#id_password", PASSWORD);
    browser.click("main form[action='/account/login'] button");
    assert_eq!(browser.path(), "/account/login/second");
    browser.click("main form[action='/account/login/second/passkey'] button");
    browser.click("#passkey button");
    assert_eq!(browser.path(), "/tickets");
    let said = browser.console();
    assert!(
        !said
            .iter()
            .any(|line| line.contains("Content Security Policy")),
        "our own pages violate nothing: {said:?}"
    );
    palisade::testing::ran("passkeys in Chromium");
}
