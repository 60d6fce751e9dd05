//! Values that packages of Django wrote, read as the packages read them, and moved into encrypted
//! columns.

use super::site::{attacker, column, contact, new, on_both, parse, set};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use palisade::crypto::Secret;
use palisade::crypto::fernet::FernetKey;
use palisade::encrypted_fields::django::{Package, PackageFormat, PackageKeys, PythonValue};
use palisade::prelude::*;
use palisade::testing::vectors::{cases, document, text, texts};
use sea_orm::{ConnectionTrait, EntityTrait, Set};
use serde_json::Value as Json;

/// Whether a case may be refused where the package accepts: Python skips characters that are not
/// base64, and pickles of protocols that the package never writes.
fn may_be_refused(case: &Json) -> bool {
    case["lenient"] == true || case["optional"] == true
}

fn secrets(value: &Json) -> Vec<Secret<String>> {
    match value {
        Json::String(text) => vec![text.clone().into()],
        Json::Array(texts) => {
            let text = |text: &Json| text.as_str().unwrap().to_owned().into();
            texts.iter().map(text).collect()
        }
        _ => Vec::new(),
    }
}

fn bytes(value: &Json) -> Vec<u8> {
    match value {
        Json::String(text) => text.clone().into_bytes(),
        value => STANDARD.decode(text(value, "value")).unwrap(),
    }
}

fn keys(package: Package, settings: &Json, field: &Json) -> PackageKeys {
    let (field_keys, salts) = match package {
        Package::Cryptography => ("CRYPTOGRAPHY_KEY", "CRYPTOGRAPHY_SALT"),
        Package::SecuredFields => ("SECURED_FIELDS_KEY", ""),
        Package::EncryptedFields => ("", "SALT_KEY"),
        Package::EncryptedModelFields => ("FIELD_ENCRYPTION_KEY", ""),
        Package::FernetFields => ("FERNET_KEYS", ""),
    };
    let mut secret_keys = secrets(&settings["SECRET_KEY"]);
    secret_keys.extend(secrets(&settings["SECRET_KEY_FALLBACKS"]));
    let own = &field["key"];
    PackageKeys {
        secret_keys,
        field_keys: secrets(&settings[field_keys]),
        salts: secrets(&settings[salts]),
        own_key: own.is_object().then(|| Secret::new(bytes(own))),
        are_fernet_keys: settings["FERNET_USE_HKDF"] == false,
    }
}

/// The value as the vectors spell it.
fn spelled(value: &PythonValue) -> Json {
    let typed = |kind: &str, value: String| serde_json::json!({ "type": kind, "value": value });
    match value {
        PythonValue::None => Json::Null,
        PythonValue::Bool(value) => (*value).into(),
        PythonValue::Int(value) => serde_json::from_str(&value.to_string()).unwrap(),
        PythonValue::Float(value) => typed("float", format!("{value:?}")),
        PythonValue::Text(text) => text.as_str().into(),
        PythonValue::Bytes(bytes) => typed("bytes", STANDARD.encode(bytes)),
        PythonValue::List(values) => values.iter().map(spelled).collect(),
        PythonValue::Dict(pairs) => {
            let pair = |(key, value): &(String, PythonValue)| (key.clone(), spelled(value));
            Json::Object(pairs.iter().map(pair).collect())
        }
        PythonValue::Date(day) => typed("date", day.to_string()),
        PythonValue::Time(time) => typed("time", time.to_string()),
        PythonValue::DateTime(at, offset) => {
            let at = at.format("%Y-%m-%dT%H:%M:%S%.f").to_string();
            let zone = offset.map_or(String::new(), |seconds| {
                format!("{:+03}:{:02}", seconds / 3600, seconds.abs() / 60 % 60)
            });
            typed("datetime", at + &zone)
        }
        PythonValue::Delta(delta) => typed("timedelta_seconds", delta.num_seconds().to_string()),
        PythonValue::Decimal(text) => typed("decimal", text.clone()),
        PythonValue::Uuid(_) => typed("uuid", value.text().unwrap()),
        PythonValue::Zone(_) => panic!("a zone is no value"),
    }
}

/// Whether two values are the same to Python.
fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Json::Object(one), Json::Object(other)) if one.get("type") == Some(&"float".into()) => {
            let number = |value: &serde_json::Map<String, Json>| {
                value["value"]
                    .as_str()
                    .and_then(|text| text.parse::<f64>().ok())
            };
            number(one) == number(other)
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| is_same(value, other)))
        }
        _ => one == other,
    }
}

/// The texts that a package writes for a value of a field: it stores `str()` of what Django gives
/// the database.
fn written_texts(plain: &Json, field: &str) -> Vec<String> {
    let kind = plain["type"].as_str().unwrap_or_default();
    match plain {
        Json::String(text) => vec![text.clone(), plain.to_string()],
        Json::Bool(value) => {
            let name = if *value { "True" } else { "False" };
            vec![name.into(), u8::from(*value).to_string(), value.to_string()]
        }
        Json::Object(_) if kind == "datetime" => {
            let at = text(plain, "value").replace('T', " ");
            let naive = at.trim_end_matches("+00:00").to_owned();
            vec![at, naive]
        }
        Json::Object(_) if !kind.is_empty() && !field.contains("JSON") => {
            vec![text(plain, "value").to_owned()]
        }
        plain => vec![plain.to_string()],
    }
}

/// JSON whose leaves are texts, as one of the packages returns it.
fn leaves(value: &Json) -> Json {
    match value {
        Json::Array(values) => values.iter().map(leaves).collect(),
        Json::Object(pairs) if pairs.get("type") == Some(&"float".into()) => pairs["value"].clone(),
        Json::Object(pairs) => {
            let pair = |(key, value): (&String, &Json)| (key.clone(), leaves(value));
            Json::Object(pairs.iter().map(pair).collect())
        }
        Json::String(text) => text.as_str().into(),
        Json::Bool(value) => if *value { "True" } else { "False" }.into(),
        Json::Null => "None".into(),
        number => number.to_string().into(),
    }
}

fn agrees(package: Package, value: &PythonValue, case: &Json) -> bool {
    let (plain, field) = (&case["plain"], case["field"].as_str().unwrap_or_default());
    if package == Package::Cryptography {
        return is_same(&spelled(value), plain);
    }
    match value {
        PythonValue::Bytes(bytes) => plain["value"] == STANDARD.encode(bytes),
        PythonValue::Text(text) if plain["type"] == "bytes" => {
            plain["value"] == STANDARD.encode(text)
        }
        PythonValue::Text(text) if field.contains("JSON") => {
            let json: Json = serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into());
            is_same(&json, &leaves(plain)) || plain_json(&json, plain)
        }
        PythonValue::Text(text) => written_texts(plain, field).contains(text),
        _ => false,
    }
}

/// The same JSON, with floats as numbers.
fn plain_json(json: &Json, plain: &Json) -> bool {
    match (json, plain) {
        (Json::Number(number), Json::Object(typed)) => {
            typed["value"].as_str().unwrap().parse::<f64>().ok() == number.as_f64()
        }
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| plain_json(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| plain_json(value, &other[key.as_str()]))
        }
        _ => json == plain,
    }
}

// F104 F105 D25 D55
#[test]
fn columns_of_packages_are_read_as_the_packages_read_them() {
    let settings = &document("fernet.json")["settings"];
    let packages = [
        ("django-cryptography", Package::Cryptography),
        ("django-secured-fields", Package::SecuredFields),
        ("django-fernet-encrypted-fields", Package::EncryptedFields),
        (
            "django-encrypted-model-fields",
            Package::EncryptedModelFields,
        ),
        ("django-fernet-fields-v2", Package::FernetFields),
    ];
    let mut formats = std::collections::BTreeMap::new();
    let (mut read, mut refused, mut wrong) = (0, 0, Vec::new());
    for case in cases("fernet.json") {
        let name = text(&case, "package").to_owned();
        let Some((_, package)) = packages.iter().find(|(known, _)| *known == name) else {
            continue;
        };
        // searches have no verdict; null has no value to read; a field that only pickles does not
        // encrypt
        if case["kind"] == "search" || case["kind"] == "pickled" || case["raw"].is_null() {
            continue;
        }
        let field = &case["field_kwargs"];
        let keys = keys(*package, &settings[text(&case, "settings")], field);
        let ttl = field["ttl"].as_u64();
        // derived by a hundred thousand rounds
        let name = (text(&case, "settings").to_owned(), field["key"].to_string());
        let format = formats
            .entry(name)
            .or_insert_with(|| PackageFormat::new(*package, &keys, None).unwrap());
        let value = format.value(&bytes(&case["raw"]));
        let is_expired = |written: u64| {
            // the package allows its clocks a minute
            let now = case["now"].as_u64().unwrap_or(written);
            ttl.is_some_and(|ttl| now.abs_diff(written) > ttl + 60)
        };
        let value = value.ok().filter(|(_, written)| !is_expired(*written));
        let is_right = match (text(&case, "verdict"), &value) {
            ("plain", Some((value, _))) => agrees(*package, value, &case),
            ("plain", None) => may_be_refused(&case),
            ("refused", value) => value.is_none(),
            _ => true,
        };
        read += usize::from(value.is_some());
        refused += usize::from(value.is_none());
        if !is_right {
            wrong.push(format!("{value:?}: {case}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        read > 300 && refused > 150,
        "{read} read, {refused} refused"
    );
}

// F104: tokens, MultiFernet, and what is no key
#[test]
fn fernet_tokens_are_read_as_cryptography_reads_them() {
    let (mut count, mut wrong) = (0, Vec::new());
    for case in cases("fernet.json") {
        if case["package"] != "cryptography" {
            continue;
        }
        count += 1;
        let keys: Option<Vec<FernetKey>> = texts(&case, "keys")
            .iter()
            .map(|key| FernetKey::new(key))
            .collect();
        if case["kind"] == "key" {
            let is_key = keys.is_some();
            if is_key != (case["verdict"] == "plain") && !may_be_refused(&case) {
                wrong.push(case.to_string());
            }
            continue;
        }
        let token = text(&case, "token");
        let opened = keys.unwrap().iter().find_map(|key| key.open_token(token));
        let is_in_time = |written: u64| match (case["ttl"].as_u64(), case["now"].as_u64()) {
            (Some(ttl), Some(now)) => written + ttl >= now && now + 60 >= written,
            _ => true,
        };
        let opened = opened.filter(|value| is_in_time(value.written));
        let is_right = match (&opened, text(&case, "verdict")) {
            (Some(value), "plain") => {
                let plain = &case["plain"];
                *value.plaintext.expose() == bytes(plain)
            }
            (None, "plain") => may_be_refused(&case),
            (opened, _) => opened.is_none(),
        };
        if !is_right {
            wrong.push(case.to_string());
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count > 150, "{count}");
}

// a column without encryption, and one that a package wrote, move into encrypted columns
#[tokio::test]
async fn a_plain_column_is_encrypted_beside_what_is_encrypted_already() {
    on_both(&[], async |site| {
        let database = site.site().database();
        let db = database.handle();
        let mut ids = Vec::new();
        for number in 0..3 {
            let row = contact::ActiveModel {
                phone: Set(Some(parse::<Line<30>>("112").into())),
                ..new(1, &format!("p{number}@example.org"))
            };
            let added = database.write(async |tx| tx.insert_row(row).await).await;
            ids.push(added.unwrap().id);
        }
        let attacker = attacker(site).await;
        // as it was before the column was encrypted, with an index that nothing has filled
        set(&attacker, ("phone", ids[0]), "+31 20 1234567").await;
        set(&attacker, ("phone_index", ids[0]), "").await;
        set(&attacker, ("phone", ids[1]), &"9".repeat(31)).await;
        let done = site
            .site()
            .column_encrypted("contact", "phone", "phone")
            .await
            .unwrap();
        assert_eq!((done.0, done.1.len()), (1, 1));
        assert!(
            done.1[0].contains("no value of the column's type"),
            "{done:?}"
        );
        assert!(!done.1[0].contains("999"), "no value in messages: {done:?}");
        let is = contact::Entity::phone_is(&db, &parse("+31 20 1234567")).unwrap();
        use sea_orm::QueryFilter;
        let found = contact::Entity::find()
            .filter(is)
            .one(&db)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.id, ids[0]);
        let again = site
            .site()
            .column_encrypted("contact", "phone", "phone")
            .await
            .unwrap();
        assert_eq!(again.0, 0, "once");
        // from another column, which stays as it is
        let sql = "UPDATE contact SET old_phone = 'a', phone = NULL, phone_index = NULL";
        attacker.execute_unprepared(sql).await.unwrap();
        let done = site
            .site()
            .column_encrypted("contact", "phone", "old_phone")
            .await
            .unwrap();
        assert_eq!(done.0, 3);
        assert_eq!(column(&attacker, "old_phone").await, ["a", "a", "a"]);
        // D55: what looks encrypted and cannot be decrypted is not encrypted once more
        let of_another = column(&attacker, "phone").await[1].clone();
        set(&attacker, ("phone", ids[0]), &of_another).await;
        let refused = site
            .site()
            .column_encrypted("contact", "phone", "phone")
            .await;
        let said = refused.unwrap_err().to_string();
        assert!(
            said.contains("looks encrypted, and cannot be decrypted"),
            "{said}"
        );
        assert_eq!(column(&attacker, "phone").await[0], of_another);
        attacker.close().await.unwrap();
    })
    .await;
}
