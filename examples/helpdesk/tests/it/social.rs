//! A login by another site, in a real browser, with an OpenID provider that is not ours.

use crate::driver::Browser;
use crate::process::{Folder, Server};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

/// The provider, which knows one site.
struct Provider(
    Child,
    #[expect(dead_code, reason = "what it says must go somewhere")] BufReader<ChildStdout>,
);

impl Provider {
    fn start(script: &str, port: u16, site: SocketAddr) -> Self {
        let site = format!("http://localhost:{}", site.port());
        let mut command = Command::new("node");
        command.args([
            script,
            &port.to_string(),
            &format!("{site}/account/social/corp/callback"),
            &format!("{site}/"),
        ]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        assert!(
            said.by_ref()
                .lines()
                .map_while(Result::ok)
                .any(|line| line == "ready"),
            "the provider starts"
        );
        Self(child, said)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait(browser: &Browser, is_there: impl Fn(&str) -> bool) {
    for _ in 0..200 {
        let path = browser.path();
        if is_there(&path) && browser.eval("document.readyState === 'complete'") == true {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    panic!(
        "{}: {}",
        browser.path(),
        browser.eval("document.body.innerText")
    );
}

/// Says who one is at the provider, and agrees. Its pages are its own.
fn agree(browser: &Browser, name: &str) {
    wait(browser, |path| path.contains("/interaction/"));
    browser.type_into("input[name=login]", name);
    browser.type_into("input[name=password]", "any password");
    browser.click("form [type=submit]");
    wait(browser, |path| path.contains("/interaction/"));
    browser.click("form [type=submit]");
}

// F032; ASVS 10.5.1, 10.5.3, 10.5.4: an account, a login and a logout with an independent provider
#[test]
fn somebody_comes_from_another_site() {
    let Some(driver) = palisade::testing::server("PALISADE_TEST_CHROMEDRIVER") else {
        return;
    };
    let Some(script) = palisade::testing::server("PALISADE_TEST_OIDC") else {
        return;
    };
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let folder = Folder::new();
    let providers =
        format!("corp desk a-secret-of-the-desk http://localhost:{port} trusts_email logs_out");
    let variables = [
        ("PALISADE_SOCIAL__PROVIDERS", providers.as_str()),
        ("PALISADE_CLIENT__PRIVATE_NETWORKS", "127.0.0.0/8,::1/128"),
    ];
    let server = Server::start(&folder, &variables);
    let _provider = Provider::start(&script, port, server.address);
    let browser = Browser::start(&driver, server.address);
    browser.open("/account/login?next=/tickets/new");
    browser.click("main a[href^='/account/login/ways']");
    browser.picture("login-by-others");
    browser.click("main form[action='/account/social/corp'] button");
    agree(&browser, "ann");
    wait(&browser, |path| path == "/tickets/new");
    browser.open("/account");
    assert!(
        browser
            .eval("document.querySelector('main').innerText")
            .as_str()
            .unwrap()
            .contains("ann@example.org")
    );
    browser.open("/account/logins");
    assert!(
        browser
            .eval("document.querySelector('main').innerText")
            .as_str()
            .unwrap()
            .contains("corp")
    );
    browser.picture("logins");
    // out, here and there
    browser.click(".account button");
    wait(&browser, |path| path.contains("/session/end"));
    browser.click("button[value=yes]");
    wait(&browser, |path| path == "/");
    assert!(
        browser
            .eval("document.querySelector('.account').innerText")
            .as_str()
            .unwrap()
            .contains("Log in")
    );
    // and in again: the same account
    browser.open("/account/login/ways");
    browser.click("main form[action='/account/social/corp'] button");
    agree(&browser, "ann");
    wait(&browser, |path| path == "/tickets");
    assert!(
        browser
            .eval("document.querySelector('.account').innerText")
            .as_str()
            .unwrap()
            .contains("ann")
    );
    let said = browser.console();
    assert!(
        !said
            .iter()
            .any(|line| line.contains("Content Security Policy")),
        "our own pages violate nothing: {said:?}"
    );
    palisade::testing::ran("an OpenID provider in Chromium");
}
