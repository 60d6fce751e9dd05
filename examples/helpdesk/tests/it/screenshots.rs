//! A picture with a ticket: sent with and without scripts, and seen by viewers of the ticket.

use crate::desk::{open, staff};
use crate::driver::Browser;
use crate::process::{Folder, Server, run};
use crate::wire::{Visitor, raw};
use helpdesk::app;
use palisade::testing::{Client, SentFile, TestSite};

/// A PNG of one pixel.
const PIXEL: &[u8] = include_bytes!("pixel.png");

fn shot(name: &'static str, content: &'static [u8]) -> SentFile<'static> {
    SentFile {
        field: "screenshot",
        name,
        media_type: "image/png",
        content,
    }
}

/// The URL of the ticket's picture.
async fn picture(client: &mut Client, ticket: &str) -> String {
    let page = client.get(ticket).await.body;
    let (_, rest) = page
        .split_once("<img width=\"320\" loading=\"lazy\" src=\"")
        .unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

async fn site() -> TestSite {
    TestSite::start(app(), &[("uploads.min_free_bytes", "1")]).await
}

// F082 F083: the customer and staff see it, another customer does not, and it goes with the ticket
#[tokio::test]
async fn viewers_of_a_ticket_see_its_screenshot() {
    let site = site().await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let fields = [("subject", "printer"), ("body", "It is on fire.")];
    let sent = ann
        .submit_files(
            "/tickets/new",
            "/tickets",
            &fields,
            &[shot("fire.png", PIXEL)],
        )
        .await;
    assert_eq!(sent.status, 303, "{}", sent.body);
    let url = picture(&mut ann, sent.header("location")).await;
    let mut eve = site.client();
    eve.sign_up("eve").await;
    let mut ines = staff(&site, "ines").await;
    for (client, status) in [(&mut ann, 200), (&mut ines, 200), (&mut eve, 404)] {
        assert_eq!(client.get(&url).await.status.as_u16(), status);
    }
    assert_eq!(site.client().get(&url).await.status, 404);
    // without a picture, as before
    assert!(open(&mut ann, "scanner", "no picture").await > 0);
    let proof = [("current_password", palisade::testing::PASSWORD)];
    assert_eq!(
        ann.submit("/account/delete", "/account/delete", &proof)
            .await
            .status,
        303
    );
    assert_eq!(ines.get(&url).await.status, 404);
    assert_eq!(site.site().files_swept().await.unwrap(), 1);
}

#[tokio::test]
async fn a_page_is_no_screenshot() {
    let site = site().await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let fields = [("subject", "printer"), ("body", "It is on fire.")];
    let page = shot("fire.png", b"<!doctype html><script>alert(1)</script>");
    let again = ann
        .submit_files("/tickets/new", "/tickets", &fields, &[page])
        .await;
    assert_eq!(again.status, 422);
    assert!(
        again.body.contains("not that of a .png file"),
        "{}",
        again.body
    );
    assert!(again.body.contains("It is on fire."), "the text is kept");
}

// the form works with its script: a bar, errors on the same page, the held file, and the next page
#[test]
fn a_browser_sends_a_screenshot() {
    let Some(driver) = palisade::testing::server("PALISADE_TEST_CHROMEDRIVER") else {
        return;
    };
    let folder = Folder::new();
    let server = Server::start(&folder, &[("PALISADE_UPLOADS__MIN_FREE_BYTES", "1")]);
    let browser = Browser::start(&driver, server.address);
    sign_up(&browser, &server);
    let file = folder.0.join("fire.png");
    std::fs::write(&file, PIXEL).unwrap();
    browser.open("/tickets/new");
    browser.picture("new-ticket-with-file");
    browser.choose("#id_screenshot", &file);
    browser.type_into("#id_subject", "printer");
    // the browser itself would stop a form without its text
    browser.eval("document.querySelectorAll('[required]').forEach((field) => field.removeAttribute('required'))");
    browser.press("main form button", "Keep fire.png");
    browser.picture("new-ticket-held");
    assert_eq!(
        browser.path(),
        "/tickets/new",
        "errors are shown on the same page"
    );
    browser.type_into("#id_body", "It is on fire.");
    browser.click("main form button");
    assert_eq!(browser.path(), "/tickets/1");
    let page = browser.eval("document.body.innerText");
    assert!(
        page.as_str().unwrap().contains("Ticket 1 is open"),
        "the message is shown: {page}"
    );
    assert_eq!(
        browser.eval("document.querySelector('article img').naturalWidth"),
        1
    );
    browser.picture("ticket-with-file");
    // with the script and a chosen file, to the next page
    browser.open("/tickets/new");
    browser.choose("#id_screenshot", &file);
    browser.type_into("#id_subject", "scanner");
    browser.type_into("#id_body", "It is on fire, too.");
    browser.click("main form button");
    assert_eq!(browser.path(), "/tickets/2");
    let page = browser.eval("document.body.innerText");
    assert!(
        page.as_str().unwrap().contains("Ticket 2 is open"),
        "{page}"
    );
    // a file that is dropped on its field
    browser.open("/tickets/new");
    let dropped = "(() => { const files = new DataTransfer(); files.items.add(new File(['x'], 'a.png', {type: 'image/png'})); \
        const field = document.querySelector('#id_screenshot'); \
        const event = (type) => field.dispatchEvent(new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer: files})); \
        event('dragover'); event('drop'); return field.files.length; })()";
    assert_eq!(browser.eval(dropped), 1);
    let large = "(() => { const files = new DataTransfer(); files.items.add(new File([new Uint8Array(6 * 1024 * 1024)], 'b.png')); \
        const field = document.querySelector('#id_screenshot'); field.files = files.files; \
        field.dispatchEvent(new Event('change', {bubbles: true})); return field.validationMessage; })()";
    assert_eq!(browser.eval(large), "b.png is larger than 5 MB.");
    let console = browser.console();
    let is_fault = |line: &String| line.contains("Uncaught") || line.contains("Security Policy");
    assert!(!console.iter().any(is_fault), "{console:#?}");
    drop(browser);
    server.stop();
    inspect(&folder);
}

/// The commands of an operator find what was changed on the disk.
fn inspect(folder: &Folder) {
    let files = |command: &str| {
        let output = run(folder, &[], &["files", command], "");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let (is_whole, said) = files("check");
    assert!(is_whole && said.contains("2 file(s)"), "{said}");
    assert!(files("scan").1.contains("0 file(s) were scanned"));
    assert!(
        files("reencrypt").1.contains("0 file(s)"),
        "the key is the newest"
    );
    assert!(files("check").0);
    let root = folder.0.join("files");
    let parts: Vec<_> = std::fs::read_dir(&root)
        .unwrap()
        .map(|part| part.unwrap().path())
        .collect();
    let stored = std::fs::read_dir(&parts[0])
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let sealed = std::fs::read(&stored).unwrap();
    let mut changed = sealed.clone();
    changed[3] ^= 1;
    std::fs::write(&stored, changed).unwrap();
    let (is_whole, said) = files("check");
    assert!(!is_whole && said.contains("is damaged"), "{said}");
    std::fs::write(&stored, sealed).unwrap();
    std::fs::write(parts[0].join("0".repeat(40)), b"x").unwrap();
    let (is_whole, said) = files("check");
    assert!(!is_whole && said.contains("has no row"), "{said}");
}

// V5.3.1: files of users are not stored where templates or static files are
#[tokio::test]
async fn files_are_not_stored_among_templates() {
    for folder in ["templates/files", "static"] {
        let url = format!("file:{}/{folder}", env!("CARGO_MANIFEST_DIR"));
        let started = TestSite::try_start(app(), &[("storage.url", &url)]).await;
        let Err(palisade::app::BootError::Refused(report)) = started else {
            panic!("files are stored in {folder}");
        };
        let mut errors = report.errors();
        assert!(errors.any(|finding| finding.id == "storage.served"));
    }
}

fn sign_up(browser: &Browser, server: &Server) {
    browser.open("/account/signup");
    for (field, text) in [
        ("username", "ann"),
        ("email", "ann@example.org"),
        ("password", "correct horse battery staple"),
        ("password_again", "correct horse battery staple"),
    ] {
        browser.type_into(&format!("#id_{field}"), text);
    }
    browser.click("main button");
    browser.open(&server.link_to("ann@example.org"));
    browser.type_into("#id_password", "correct horse battery staple");
    browser.click("main button");
}

/// The request that opens a ticket with a picture.
fn upload(ann: &mut Visitor) -> Vec<u8> {
    let page = ann.get("/tickets/new");
    let token = page.hidden_field("csrfmiddlewaretoken").unwrap().to_owned();
    let mut body = Vec::new();
    for (name, value) in [
        ("csrfmiddlewaretoken", token.as_str()),
        ("subject", "printer"),
        ("body", "It is on fire."),
    ] {
        let part =
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    body.extend_from_slice(b"--b\r\nContent-Disposition: form-data; name=\"screenshot\"; filename=\"fire.png\"\r\nContent-Type: image/png\r\n\r\n");
    body.extend_from_slice(PIXEL);
    body.extend_from_slice(b"\r\n--b--\r\n");
    let cookies: Vec<String> = ann
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let head = format!(
        "POST /tickets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\nCookie: {}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
        cookies.join("; "),
        body.len()
    );
    [head.into_bytes(), body].concat()
}

// kill -9 at any moment of an upload: no file without a row, and no row without its file, except one that was
// arriving, which is not served
#[test]
fn a_killed_server_leaves_no_file_without_a_row() {
    let folder = Folder::new();
    let variables = [
        ("PALISADE_UPLOADS__MIN_FREE_BYTES", "1"),
        ("PALISADE_THROTTLE__REQUESTS", "off"),
        ("PALISADE_THROTTLE__CHANGES", "off"),
    ];
    let server = Server::start(&folder, &variables);
    let mut ann = Visitor::new(server.address);
    ann.sign_up(&server, "ann");
    drop(server);
    let (mut sent, mut broken) = (0, 0);
    for round in 0..10_u64 {
        let server = Server::start(&folder, &variables);
        ann.address = server.address;
        let request = upload(&mut ann);
        let address = server.address;
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let request = request.clone();
                std::thread::spawn(move || {
                    let mut sent = 0;
                    while raw(address, &request).is_some_and(|reply| reply.status == 303) {
                        sent += 1;
                    }
                    sent
                })
            })
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(40 + round * 23));
        drop(server);
        for sender in senders {
            sent += sender.join().unwrap();
            broken += 1;
        }
        let checked = run(&folder, &variables, &["files", "check"], "");
        let said = String::from_utf8(checked.stdout).unwrap();
        assert!(
            checked.status.success(),
            "{said} {}",
            String::from_utf8_lossy(&checked.stderr)
        );
    }
    assert!(sent > 20 && broken == 40, "{sent}");
}
