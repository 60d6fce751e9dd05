//! What a person with a browser sees, and what an attacker does not get.

use crate::driver::Browser;
use crate::process::{Folder, Server, run};

const PAYLOAD: &str = "</title></textarea>'\"><script>window.pwned=1</script><img src=x onerror=window.pwned=2><svg onload=window.pwned=3><a href=javascript:window.pwned=4>x</a>{{7*7}}";

// D19, D33; F054, F058; ASVS 3.4.3, 3.5.1
#[test]
fn a_person_with_a_browser_is_served_and_an_attacker_is_not() {
    let Some(driver) = palisade::testing::server("PALISADE_TEST_CHROMEDRIVER") else {
        return;
    };
    let folder = Folder::new();
    run(
        &folder,
        &[],
        &[
            "user",
            "create",
            "ines",
            "--email",
            "ines@example.org",
            "--staff",
        ],
        "correct horse battery staple",
    );
    let server = Server::start(&folder, &[]);
    let browser = Browser::start(&driver, server.address);
    browser.open("/");
    browser.picture("front");
    browser.click("a.button");
    assert!(
        browser.path().starts_with("/account/login?next="),
        "{}",
        browser.path()
    );
    browser.click("main a[href='/account/signup']");
    // how strong it is, said while it is typed, and nothing is sent meanwhile
    let requests = browser.eval("performance.getEntriesByType('resource').length");
    for (password, said) in [
        ("short", "Too short"),
        ("aaaaaaaaaaaaaaaa", "Weak"),
        ("qwertyuiop1234", "Weak"),
        ("correct horse battery staple", "Strong"),
    ] {
        browser.type_into("#id_password", password);
        assert_eq!(
            browser.eval("document.querySelector('#strength_said').textContent"),
            said,
            "{password}"
        );
    }
    assert_eq!(
        browser.eval("performance.getEntriesByType('resource').length"),
        requests
    );
    browser.picture("signup-strength");
    for (field, text) in [
        ("username", "ann"),
        ("email", "ann@example.org"),
        ("password", "too short"),
        ("password_again", "too short"),
    ] {
        browser.type_into(&format!("#id_{field}"), text);
    }
    browser.click("main button");
    assert!(
        browser
            .eval("document.querySelector('#error_password').textContent")
            .as_str()
            .unwrap()
            .contains("too short")
    );
    assert_eq!(
        browser.eval("document.querySelector('#id_username').value"),
        "ann",
        "what was typed is there"
    );
    assert_eq!(
        browser.eval("document.querySelector('#id_password').value"),
        "",
        "but not the password"
    );
    browser.picture("signup-errors");
    for field in ["password", "password_again"] {
        browser.type_into(&format!("#id_{field}"), "correct horse battery staple");
    }
    browser.click("main button");
    assert_eq!(browser.path(), "/account/signup/sent");
    browser.picture("signup-sent");
    browser.open(&server.link_to("ann@example.org"));
    assert_eq!(
        browser.path(),
        "/account/confirm",
        "the token has left the address bar"
    );
    browser.picture("signup-confirm");
    browser.type_into("#id_password", "correct horse battery staple");
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
    assert_eq!(
        browser.eval("document.querySelectorAll('.card .body')[1].textContent"),
        PAYLOAD,
        "the text comes back whole"
    );
    browser.picture("ticket");
    for path in [
        "/tickets/1",
        "/tickets",
        "/tickets?q=%3Cscript%3Ewindow.pwned=5%3C/script%3E",
        "/nowhere/<script>window.pwned=6</script>",
        "/account",
        "/account/password",
        "/account/email",
        "/account/delete",
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
        .filter(|line| {
            !line.contains("/nowhere/") && !line.contains("signup - ") && !line.contains("favicon")
        })
        .collect();
    assert!(
        !said
            .iter()
            .any(|line| line.contains("Content Security Policy")),
        "our own pages violate nothing: {said:?}"
    );
    assert!(
        complaints
            .iter()
            .all(|line| line.contains("422") || line.contains("404")),
        "{complaints:?}"
    );
    // the policy is not only there but holds: what an injection would do is refused by the browser
    browser.open("/tickets");
    browser.eval(
        "(() => { const box = document.createElement('div'); document.body.append(box); \
         box.innerHTML = '<img src=x onerror=\"window.pwned=7\"><a id=evil href=\"javascript:window.pwned=8\">x</a>'; \
         document.getElementById('evil').click(); return 1 })()",
    );
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(browser.eval("window.pwned === undefined"), true);
    assert!(
        browser
            .console()
            .iter()
            .any(|line| line.contains("Content Security Policy")),
        "the browser says that it refused them"
    );
    browser.open("/tickets");
    browser.click(".account button");
    assert_eq!(browser.path(), "/");
    browser.open("/account/login?next=/queue");
    browser.type_into("#id_username", "ines");
    browser.type_into("#id_password", "correct horse battery staple");
    browser.picture("login");
    browser.click("main button");
    // staff add an app; an independent program reads the QR code and computes the code (D15, D36)
    assert_eq!(browser.path(), "/account/factors?next=%2Fqueue");
    browser.picture("factors");
    browser.click("main form[action='/account/factors/app'] button");
    browser.type_into("#id_code", &first_code(&browser));
    browser.click("main form button");
    assert_eq!(
        browser.eval("document.querySelectorAll('.codes li').length"),
        10
    );
    browser.picture("recovery-codes");
    browser.open("/queue");
    assert_eq!(browser.path(), "/queue");
    browser.dark("dark");
    browser.picture("queue-dark");
    browser.open("/tickets/1");
    browser.picture("ticket-staff-dark");
    browser.dark("light");
    palisade::testing::ran("the helpdesk in Chromium");
}

/// What an app shows that has read the QR code on the page.
fn first_code(browser: &Browser) -> String {
    let picture = browser.picture("authenticator");
    let zbar = std::process::Command::new("zbarimg")
        .args(["--quiet", "--raw"])
        .arg(picture)
        .output()
        .unwrap();
    let url = String::from_utf8(zbar.stdout).unwrap();
    assert!(
        url.starts_with("otpauth://totp/") && url.contains("issuer="),
        "{url}"
    );
    let secret = url
        .split("secret=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap()
        .trim();
    let shown = browser.eval("document.querySelector('#secret').textContent.replaceAll(' ', '')");
    assert_eq!(shown, secret, "the picture and the text say the same");
    // what the URL does not say is SHA1, 6 digits, 30 seconds (the format's defaults)
    for (name, default) in [("algorithm=", "SHA1"), ("digits=", "6"), ("period=", "30")] {
        assert!(
            url.split(name)
                .nth(1)
                .is_none_or(|rest| rest.split(['&', '\n']).next() == Some(default)),
            "{url}"
        );
    }
    let code = std::process::Command::new("oathtool")
        .args(["--totp", "--base32", secret])
        .output()
        .unwrap();
    String::from_utf8(code.stdout).unwrap().trim().to_owned()
}

/// The lowest contrast of a text with what is behind it ([WCAG 2.2, 1.4.3](https://www.w3.org/TR/WCAG22/#contrast-minimum)), and the text.
const CONTRAST: &str = r"(() => {
  const rgb = color => color.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const shown = e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  const ratio = e => { const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05); };
  const worst = [...document.body.querySelectorAll('*')].filter(shown).map(e => [ratio(e), e.textContent.trim()]).sort((x, y) => x[0] - y[0])[0];
  return worst;
})()";

// People: no page of accounts is wider than a phone, with the longest name, and all text is readable, in the light and the dark theme
#[test]
fn account_pages_fit_a_telephone() {
    let Some(driver) = palisade::testing::server("PALISADE_TEST_CHROMEDRIVER") else {
        return;
    };
    let (folder, password) = (Folder::new(), "correct horse battery staple");
    let name = "ines".repeat(37);
    let made = run(
        &folder,
        &[],
        &[
            "user",
            "create",
            &name,
            "--email",
            &format!("{}@example.org", "i".repeat(60)),
            "--superuser",
        ],
        password,
    );
    assert!(made.status.success());
    let server = Server::start(
        &folder,
        &[
            ("PALISADE_LOGIN__BY_MAIL", "true"),
            ("PALISADE_MFA__REQUIRE_FOR_STAFF", "false"),
        ],
    );
    let browser = Browser::start(&driver, server.address);
    let looked_at = |path: &str| {
        for scheme in ["light", "dark"] {
            browser.dark(scheme);
            for width in [360, 1100] {
                browser.wide(width);
                let wide = browser
                    .eval("document.documentElement.scrollWidth")
                    .as_u64()
                    .unwrap();
                assert!(
                    wide <= u64::from(width),
                    "{path} is {wide} pixels wide at {width}"
                );
            }
            let worst = browser.eval(CONTRAST);
            assert!(
                worst[0].as_f64().unwrap() >= 4.5,
                "{path}, {scheme}: {worst}"
            );
        }
    };
    let open = [
        "/",
        "/nowhere",
        "/account/login",
        "/account/login/ways",
        "/account/login/mail",
        "/account/signup",
        "/account/signup/sent",
        "/account/reset",
        "/account/confirm?token=x",
    ];
    for path in open {
        browser.open(path);
        looked_at(path);
    }
    browser.open("/account/login");
    browser.type_into("#id_username", &name);
    browser.type_into("#id_password", "wrong");
    browser.click("main form button");
    looked_at("a wrong password");
    browser.type_into("#id_password", password);
    browser.click("main form button");
    for path in [
        "/account",
        "/account/password",
        "/account/email",
        "/account/sessions",
        "/account/factors",
        "/account/export",
        "/account/close",
        "/account/delete",
        "/account/reauthenticate",
        "/account/locks",
        "/nowhere",
        "/tickets",
    ] {
        browser.open(path);
        assert!(
            browser.path().starts_with(path),
            "{path} leads to {}",
            browser.path()
        );
        looked_at(path);
    }
    browser.open("/account/factors");
    browser.click("form[action='/account/factors/app'] button");
    looked_at("/account/factors/app");
    palisade::testing::ran("account pages in Chromium");
}

// a page in the browser reloads when one of its files changes
#[test]
fn a_page_reloads_when_a_template_changes() {
    let Some(driver) = palisade::testing::server("PALISADE_TEST_CHROMEDRIVER") else {
        return;
    };
    let folder = Folder::new();
    let server = Server::start(&folder, &[("PALISADE_SITE__LIVE_FILES", "true")]);
    let browser = Browser::start(&driver, server.address);
    browser.open("/");
    let state = "fetch('/palisade/reload').then(answer => answer.text())";
    assert!(
        browser
            .eval(state)
            .as_str()
            .is_some_and(|state| !state.is_empty())
    );
    // time for the page to see the state once
    std::thread::sleep(std::time::Duration::from_millis(1500));
    browser.eval("window.is_old = true");
    // the same text: only its time changes
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/front.html");
    std::fs::write(template, std::fs::read(template).unwrap()).unwrap();
    let is_old = || browser.eval("window.is_old === true") == true;
    for _ in 0..100 {
        if !is_old() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(!is_old(), "the page was loaded again");
    assert_eq!(
        browser.console(),
        Vec::<String>::new(),
        "nothing was refused"
    );
    drop(server.stop());
}
