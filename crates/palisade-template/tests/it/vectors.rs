//! Cases of contextual escapers and their past vulnerabilities, and Django's own answers for HTML text.

use crate::trust::trusted;
use palisade_template::{Layer, Options, PageSecrets, Templates, Value, context, escape_html};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

fn told(line: &str) {
    // past the capture of the test runner: the count is always shown
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The cases are no part of the project: they are where a variable says, or beside the project.
fn escape_cases() -> Option<Vec<Json>> {
    let named = std::env::var_os("PALISADE_VECTORS").map(PathBuf::from);
    let beside = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors"
    ));
    if named.is_none() && !beside.is_dir() {
        told(
            "escape_cases.json: not on this machine, 0 cases; the table of this crate covers every context",
        );
        return None;
    }
    let path = named.unwrap_or(beside).join("escape_cases.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let Json::Array(cases) = serde_json::from_str::<Json>(&text).unwrap()["cases"].take() else {
        panic!("a list of cases")
    };
    Some(cases)
}

fn value(json: &Json) -> Value {
    match json {
        Json::Object(map) if map.contains_key("$type") => trusted(
            map["$type"].as_str().unwrap(),
            map["value"].as_str().unwrap(),
        ),
        Json::Object(map) => map
            .iter()
            .map(|(name, json)| (name.as_str(), value(json)))
            .collect::<BTreeMap<_, _>>()
            .into(),
        Json::Array(list) => list.iter().map(value).collect::<Vec<_>>().into(),
        Json::String(text) => Value::from(text.as_str()),
        Json::Number(number) => number
            .as_i64()
            .map_or_else(|| Value::from(number.as_f64().unwrap()), Value::from),
        Json::Bool(is) => Value::from(*is),
        Json::Null => Value::from(()),
    }
}

fn rendered(case: &Json) -> Result<String, String> {
    let single = [("main.html", case["template"].as_str().unwrap_or_default())];
    let several: Vec<(&str, &str)> = match &case["templates"] {
        Json::Object(map) => map
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str().unwrap()))
            .collect(),
        _ => single.to_vec(),
    };
    let options = Options::new().dangerous_inline_handlers("the cases have handlers");
    let templates = Templates::load_with(vec![Layer::embedded(&several)], options)
        .map_err(|error| error.to_string())?;
    let entry = case["entry"].as_str().unwrap_or("main.html");
    let page = templates.render(
        entry,
        value(&case["context"]),
        PageSecrets::new("n0nce", || "t0ken".into()),
    );
    page.map(|page| without_ours(&page))
        .map_err(|error| error.to_string())
}

/// What the framework adds to every page.
fn without_ours(page: &str) -> String {
    let mut page = page.replace(" nonce=\"n0nce\"", "");
    while let Some(start) = page.find("<input type=\"hidden\" name=\"csrfmiddlewaretoken\"") {
        let end = start + page[start..].find('>').unwrap() + 1;
        page.replace_range(start..end, "");
    }
    page
}

fn decode_html(text: &str) -> String {
    htmlize::unescape(text).into_owned()
}

fn decode_script(text: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = text;
    while let Some(found) = rest.find('\\') {
        decoded.extend(rest[..found].encode_utf16());
        rest = &rest[found..];
        let digits = match rest.as_bytes().get(1) {
            Some(b'u') => rest.get(2..6),
            Some(b'x') => rest.get(2..4),
            _ => None,
        };
        match digits.and_then(|digits| {
            u16::from_str_radix(digits, 16)
                .ok()
                .map(|unit| (unit, digits.len() + 2))
        }) {
            Some((unit, length)) => {
                decoded.push(unit);
                rest = &rest[length..];
            }
            None => {
                decoded.push(u16::from(b'\\'));
                rest = &rest[1..];
            }
        }
    }
    decoded.extend(rest.encode_utf16());
    String::from_utf16_lossy(&decoded)
}

fn canon(page: &str) -> String {
    let decoded = decode_script(&decode_html(page)).replace("\\/", "/");
    let mut canonical = String::new();
    let mut characters = decoded.chars().peekable();
    while let Some(character) = characters.next() {
        canonical.push(character);
        for _ in 0..if character == '%' { 2 } else { 0 } {
            if let Some(digit) = characters.next_if(char::is_ascii_hexdigit) {
                canonical.push(digit.to_ascii_lowercase());
            }
        }
    }
    canonical.chars().filter(|c| !c.is_whitespace()).collect()
}

fn strings<'a>(case: &'a Json, key: &str) -> Vec<&'a str> {
    case[key]
        .as_array()
        .into_iter()
        .flatten()
        .map(|text| text.as_str().unwrap())
        .collect()
}

/// Why a case fails, if it does.
fn verdict(case: &Json) -> Result<(), String> {
    let page = match rendered(case) {
        Err(_) if case["expected_error"] == true || case["allow_error"] == true => return Ok(()),
        Err(error) => return Err(format!("refused: {error}")),
        Ok(page) if case["expected_error"] == true => return Err(format!("not refused: {page}")),
        Ok(page) => page,
    };
    let fails = |what: &str, text: &str| Err(format!("{what} {text:?} in {page:?}"));
    let (decoded, plain) = (decode_script(&decode_html(&page)), decode_html(&page));
    if let Some(expected) = case["expected_output"]
        .as_str()
        .filter(|_| case["exact"] == true)
        && page != expected
    {
        return fails("not exactly", expected);
    }
    if let Some(expected) = case["canonical_output"].as_str()
        && canon(&page) != expected
    {
        return fails(&format!("canon {:?} is not", canon(&page)), expected);
    }
    if let Some(text) = strings(case, "must_contain")
        .iter()
        .find(|text| !page.contains(**text))
    {
        return fails("misses", text);
    }
    let any = strings(case, "must_contain_any");
    if !any.is_empty() && !any.iter().any(|text| page.contains(text)) {
        return fails("misses all of", &any.join(" | "));
    }
    if let Some(text) = strings(case, "must_not_contain")
        .iter()
        .find(|text| page.contains(**text))
    {
        return fails("holds", text);
    }
    if let Some(text) = strings(case, "decoded_must_contain")
        .iter()
        .find(|text| !decoded.contains(**text))
    {
        return fails("misses, decoded,", text);
    }
    match strings(case, "decoded_must_not_contain")
        .iter()
        .find(|text| plain.contains(**text))
    {
        Some(text) => fails("holds, decoded,", text),
        None => Ok(()),
    }
}

// F054, ASVS 1.2.1, 1.2.2, 1.2.3
#[test]
fn escape_cases_vectors() {
    let Some(cases) = escape_cases() else { return };
    let mut failures = Vec::new();
    let mut recommended = 0;
    for case in &cases {
        let Err(why) = verdict(case) else { continue };
        let shown = format!("{}: {why}\n  {}", case["name"], case["template"]);
        if case["required"] == false {
            recommended += 1;
            told(&format!("recommended, and not so here: {shown}"));
        } else {
            failures.push(shown);
        }
    }
    told(&format!(
        "escape_cases.json: {} cases, {recommended} recommended ones are answered otherwise",
        cases.len()
    ));
    assert!(
        !cases.is_empty() && failures.is_empty(),
        "{} fail:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

// F054, F055, D19: Django's escape in HTML text, and the JSON of its json_script
#[test]
fn escaping_vectors() {
    let folder = std::env::var("PALISADE_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors").into());
    let text = std::fs::read_to_string(PathBuf::from(folder).join("escaping.json")).unwrap();
    let Json::Array(cases) = serde_json::from_str::<Json>(&text).unwrap()["cases"].take() else {
        panic!("a list of cases")
    };
    told(&format!("escaping.json: {} cases", cases.len()));
    let source = "{{ x }}|{{ x|e }}|<script type=\"application/json\">{{ {'v': x}|json }}</script>";
    let templates = Templates::load(vec![Layer::embedded(&[("page.html", source)])]).unwrap();
    for case in &cases {
        let (text, escaped) = (
            case["text"].as_str().unwrap(),
            case["escape"].as_str().unwrap(),
        );
        assert_eq!(escape_html(text), escaped, "{case}");
        let page = templates
            .render("page.html", context! { x => text }, PageSecrets::none())
            .unwrap();
        let json = page
            .strip_prefix(&format!(
                "{escaped}|{escaped}|<script type=\"application/json\" nonce=\"\">"
            ))
            .unwrap();
        let json = json.strip_suffix("</script>").unwrap();
        assert_eq!(
            serde_json::from_str::<Json>(json).unwrap()["v"],
            text,
            "{json}"
        );
        assert!(!json.contains(['<', '>', '&']), "{json}");
    }
    assert!(!cases.is_empty());
}
