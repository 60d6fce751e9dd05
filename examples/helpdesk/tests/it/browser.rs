//! A real browser: headless Chromium, driven through its WebDriver.

use crate::process::{Folder, Server, run};
use crate::wire::request;
use base64::Engine;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A browser of its own profile.
struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    site: String,
    _profile: Folder,
}

impl Browser {
    fn start(driver: &str, site: SocketAddr) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(driver);
        let driver = command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        for _ in 0..100 {
            if std::net::TcpStream::connect(address).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let profile = Folder::new();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1100,800",
            &format!("--user-data-dir={}", profile.0.display()),
        ]
        .map(str::to_owned);
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let mut browser = Self { driver, address, session: String::new(), site: format!("http://{site}"), _profile: profile };
        browser.session = browser.call("POST", "/session", &wanted)["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let reply = request(self.address, method, path, &[("Content-Type", "application/json")], &body);
        let mut answer: Value = serde_json::from_str(&reply.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", reply.body));
        assert_eq!(reply.status, 200, "{path}: {answer}");
        answer["value"].take()
    }

    fn session(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}{path}", self.session), body)
    }

    fn open(&self, path: &str) {
        self.session("POST", "/url", &json!({ "url": format!("{}{path}", self.site) }));
    }

    fn path(&self) -> String {
        self.session("GET", "/url", &Value::Null).as_str().unwrap().replace(&self.site, "")
    }

    fn find(&self, selector: &str) -> String {
        let found = self.session("POST", "/element", &json!({ "using": "css selector", "value": selector }));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    fn type_into(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.session("POST", &format!("/element/{element}/clear"), &json!({}));
        self.session("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Clicks what leads to another page, and waits until that page is there.
    fn click(&self, selector: &str) {
        self.eval("window.old = 1");
        let element = self.find(selector);
        self.session("POST", &format!("/element/{element}/click"), &json!({}));
        for _ in 0..200 {
            if self.eval("window.old === undefined && document.readyState === 'complete'") == true {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("{selector} leads nowhere");
    }

    /// Runs in the page by the driver, which no policy of the page concerns.
    fn eval(&self, script: &str) -> Value {
        self.session("POST", "/execute/sync", &json!({ "script": format!("return {script}"), "args": [] }))
    }

    fn picture(&self, name: &str) {
        let picture = self.session("GET", "/screenshot", &Value::Null);
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap()).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }

    /// What the console said since the last question.
    fn console(&self) -> Vec<String> {
        let entries = self.session("POST", "/se/log", &json!({ "type": "browser" }));
        entries.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    fn dark(&self, scheme: &str) {
        let wanted = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": [{ "name": "prefers-color-scheme", "value": scheme }] } });
        self.session("POST", "/goog/cdp/execute", &wanted);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.session("DELETE", "", &json!({}));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

const PAYLOAD: &str = "</title></textarea>'\"><script>window.pwned=1</script><img src=x onerror=window.pwned=2><svg onload=window.pwned=3><a href=javascript:window.pwned=4>x</a>{{7*7}}";

// D19, D33; F054, F058; ASVS 3.4.3, 3.5.1
#[test]
fn a_person_with_a_browser_is_served_and_an_attacker_is_not() {
    let Some(driver) = palisade::testing::server("PALISADE_TEST_CHROMEDRIVER") else { return };
    let folder = Folder::new();
    run(&folder, &[], &["user", "create", "ines", "--email", "ines@example.org", "--staff"], "correct horse battery staple");
    let server = Server::start(&folder, &[]);
    let browser = Browser::start(&driver, server.address);
    browser.open("/");
    browser.picture("front");
    browser.click("a.button");
    assert!(browser.path().starts_with("/account/login?next="), "{}", browser.path());
    browser.click("main a[href='/account/signup']");
    for (field, text) in
        [("username", "ann"), ("email", "ann@example.org"), ("password", "too short"), ("password_again", "too short")]
    {
        browser.type_into(&format!("#id_{field}"), text);
    }
    browser.click("main button");
    assert!(browser.eval("document.querySelector('#error_password').textContent").as_str().unwrap().contains("too short"));
    assert_eq!(browser.eval("document.querySelector('#id_username').value"), "ann", "what was typed is there");
    assert_eq!(browser.eval("document.querySelector('#id_password').value"), "", "but not the password");
    browser.picture("signup-errors");
    for field in ["password", "password_again"] {
        browser.type_into(&format!("#id_{field}"), "correct horse battery staple");
    }
    browser.click("main button");
    assert_eq!(browser.path(), "/tickets");
    browser.open("/tickets/new");
    browser.type_into("#id_subject", &PAYLOAD[..118]);
    browser.type_into("#id_body", PAYLOAD);
    browser.picture("new-ticket");
    browser.click("main form button");
    assert_eq!(browser.path(), "/tickets/1");
    browser.type_into("#id_body", PAYLOAD);
    browser.click("main form[action$='/comments'] button");
    assert_eq!(browser.eval("document.querySelectorAll('.card .body')[1].textContent"), PAYLOAD, "the text comes back whole");
    browser.picture("ticket");
    for path in [
        "/tickets/1",
        "/tickets",
        "/tickets?q=%3Cscript%3Ewindow.pwned=5%3C/script%3E",
        "/nowhere/<script>window.pwned=6</script>",
        "/account/password",
    ] {
        browser.open(path);
        assert_eq!(browser.eval("window.pwned === undefined"), true, "{path}");
        assert_eq!(
            browser.eval("[...document.querySelectorAll('label')].every(label => label.control)"),
            true,
            "labels belong to fields on {path}"
        );
        assert_eq!(
            browser.eval(
                "document.documentElement.lang === 'en' && document.querySelectorAll('h1').length === 1 && document.title !== ''"
            ),
            true,
            "{path}"
        );
    }
    let said = browser.console();
    let complaints: Vec<_> = said
        .iter()
        .filter(|line| !line.contains("/nowhere/") && !line.contains("signup - ") && !line.contains("favicon"))
        .collect();
    assert!(!said.iter().any(|line| line.contains("Content Security Policy")), "our own pages violate nothing: {said:?}");
    assert!(complaints.iter().all(|line| line.contains("422") || line.contains("404")), "{complaints:?}");
    // the policy is not only there but holds: what an injection would do is refused by the browser
    browser.open("/tickets");
    browser.eval(
        "(() => { const box = document.createElement('div'); document.body.append(box); \
         box.innerHTML = '<img src=x onerror=\"window.pwned=7\"><a id=evil href=\"javascript:window.pwned=8\">x</a>'; \
         document.getElementById('evil').click(); return 1 })()",
    );
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(browser.eval("window.pwned === undefined"), true);
    assert!(browser.console().iter().any(|line| line.contains("Content Security Policy")), "the browser says that it refused them");
    browser.open("/tickets");
    browser.click(".account button");
    assert_eq!(browser.path(), "/");
    browser.open("/account/login?next=/queue");
    browser.type_into("#id_username", "ines");
    browser.type_into("#id_password", "correct horse battery staple");
    browser.picture("login");
    browser.click("main button");
    assert_eq!(browser.path(), "/queue");
    browser.dark("dark");
    browser.picture("queue-dark");
    browser.open("/tickets/1");
    browser.picture("ticket-staff-dark");
    browser.dark("light");
    palisade::testing::ran("the helpdesk in Chromium");
}
