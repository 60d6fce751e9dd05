//! Every context with every payload, in a real browser that has no content security policy to fall back on.

use crate::driver::Browser;
use palisade::template::{Layer, Options, PageSecrets, Templates, TrustedHtml, Value, context};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

#[path = "../../../../crates/palisade-template/tests/it/payloads.rs"]
mod payloads;
#[path = "../../../../crates/palisade-template/tests/it/places.rs"]
mod places;

/// Notes every function that a payload could call, follows `javascript:` links, and triggers event handlers.
const WATCH: &str = "<script>
window.fired = [];
for (const name of ['alert', 'confirm', 'prompt', 'print', 'msgbox']) window[name] = () => { fired.push(name) };
var out, a = 1, expected = '';
addEventListener('submit', event => event.preventDefault());
addEventListener('click', event => {
  const link = event.target.closest && event.target.closest('a, area');
  if (link && !/^[\\s\\0-\\x1f]*javascript:/i.test(link.href.baseVal ?? link.href)) event.preventDefault();
});
window.wake = () => {
  for (const element of document.body.querySelectorAll('*')) {
    for (const kind of ['click', 'mouseover', 'focus', 'toggle', 'animationstart', 'error', 'load', 'input', 'change'])
      element.dispatchEvent(new Event(kind, { bubbles: true, cancelable: true }));
    if (element.matches('a, button, input')) element.click?.();
  }
  return true;
};
</script>";

fn page(place: &str, payloads: &[String], value: impl Fn(&str) -> Value) -> String {
    let options = Options::new().dangerous_inline_handlers("every context is looked at");
    let templates =
        Templates::load_with(vec![Layer::embedded(&[("page.html", place)])], options).unwrap();
    let render = |payload: &String| {
        templates
            .render(
                "page.html",
                context! { x => value(payload) },
                PageSecrets::none(),
            )
            .unwrap()
    };
    let body: String = payloads.iter().map(render).collect();
    format!("<!doctype html><meta charset=utf-8><title>x</title>{WATCH}<body>{body}<p id=end></p>")
}

/// Serves one page for each place, without any header that protects.
fn serve(pages: Vec<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, pages) = (listener.local_addr().unwrap(), Arc::new(pages));
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, pages) = (connection.unwrap(), pages.clone());
            std::thread::spawn(move || {
                let mut lines = BufReader::new(connection.try_clone().unwrap())
                    .lines()
                    .map_while(Result::ok);
                let path = lines.next().unwrap_or_default();
                let number = path
                    .split(' ')
                    .nth(1)
                    .and_then(|path| path.strip_prefix("/page/")?.parse::<usize>().ok());
                let (status, page) = number
                    .and_then(|number| pages.get(number))
                    .map_or(("404 Not Found", ""), |page| ("200 OK", page));
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    page.len()
                );
                let _ = connection
                    .write_all(head.as_bytes())
                    .and_then(|()| connection.write_all(page.as_bytes()));
            });
        }
    });
    address
}

// F054, D19, ASVS 1.2.1, 1.2.2, 1.2.3
#[test]
fn no_payload_runs_in_any_context() {
    let Some(driver) = palisade::testing::server("PALISADE_TEST_CHROMEDRIVER") else {
        return;
    };
    let payloads = payloads::payloads();
    let mut pages: Vec<String> = places::PLACES
        .iter()
        .map(|(place, _)| page(place, &payloads, |payload| Value::from(payload)))
        .collect();
    // what the test would say if one of them did
    let able = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<a href=javascript:alert(1)>x</a>",
    ]
    .map(str::to_owned);
    pages.push(page("{{ x }}", &able, |payload| {
        TrustedHtml::dangerous_from(payload, "it has to be able to run").into()
    }));
    let count = pages.len();
    let browser = Browser::start(&driver, serve(pages));
    let (mut fired, mut shown) = (Vec::new(), 0);
    for number in 0..count {
        browser.open(&format!("/page/{number}"));
        let is_whole =
            browser.eval("document.body.lastElementChild?.id === 'end' && wake()") == true;
        // an alert in a frame would stop the driver; errors of pictures come later than the page
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert_eq!(
            browser.path(),
            format!("/page/{number}"),
            "the page leads nowhere"
        );
        let calls = browser.eval("fired.length").as_u64().unwrap();
        if number + 1 == count {
            assert!(calls >= 3, "payloads run where they are trusted: {calls}");
        } else if calls > 0 || !is_whole {
            fired.push((places::PLACES[number].0, calls, is_whole));
        }
        shown += usize::from(is_whole);
    }
    assert!(fired.is_empty(), "{fired:?}");
    let _ = writeln!(
        std::io::stdout(),
        "{} contexts, {} payloads each, in Chromium; {shown} pages whole",
        count - 1,
        payloads.len()
    );
}
