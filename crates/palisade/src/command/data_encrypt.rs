//! `data encrypt`: a column that was not encrypted, or that a package of Django has encrypted.

use super::arguments::named;
use super::rewrite::{bar, conclude, database, failed, failure, per_second, rate};
use super::{Failed, Outcome};
use crate::app::Prepared;
#[cfg(feature = "adopt")]
use crate::app::secret_keys;
use crate::encrypted_fields::{Format, Pace, Plain, Plaintexts, tables_named};
use clap::{Arg, ArgMatches, Command};

pub(super) fn command() -> Command {
    Command::new("encrypt")
                .about("Encrypt a column whose values are not encrypted, or are those of a Django package; it can be stopped and started again")
                .arg(named("column", "TABLE.COLUMN", "The encrypted column").required(true))
                .arg(named("source", "COLUMN", "The column of this table that holds the values, if it is another one; it is left as it is"))
                .arg(format_argument())
                .arg(ttl())
                .arg(per_second())
}

fn ttl() -> Arg {
    named(
        "ttl",
        "SECONDS",
        "The ttl of the field of django-cryptography: values expire as they would there",
    )
    .value_parser(clap::value_parser!(u64))
}

fn format_argument() -> Arg {
    let names = FORMATS.iter().copied();
    named("format", "FORMAT", "The format of the values")
        .value_parser(clap::builder::PossibleValuesParser::new(names))
        .default_value("plain")
}

#[cfg(feature = "adopt")]
const FORMATS: &[&str] = &[
    "plain",
    "django-cryptography",
    "django-secured-fields",
    "django-fernet-encrypted-fields",
    "django-encrypted-model-fields",
    "django-fernet-fields",
];
#[cfg(not(feature = "adopt"))]
const FORMATS: &[&str] = &["plain"];

pub(super) async fn run(prepared: &Prepared, arguments: &ArgMatches) -> Outcome {
    let database = database(prepared).await?;
    let name = arguments
        .get_one::<String>("column")
        .map_or("", String::as_str);
    let (table, column) = name.split_once('.').unwrap_or_default();
    let tables = tables_named(&database, Some(table));
    let known = tables
        .first()
        .and_then(|table| Some((table, table.column(column)?)));
    let Some((table, column)) = known else {
        return Err(Failed(
            format!(
                "{name:?} is no encrypted column: `data status` lists them; a column is encrypted when its entity has a field Encrypted<…> and is registered with App::encrypted"
            ),
            1,
        ));
    };
    let format = format_of(prepared, arguments)?;
    let source = arguments
        .get_one::<String>("source")
        .map_or(column.name, String::as_str);
    let plaintexts = Plaintexts {
        table,
        column,
        source,
        format: &*format,
    };
    let rows = plaintexts.count(&database).await.map_err(failed)?;
    let (bar, begun) = (bar(rows, name), std::time::Instant::now());
    let mut pace = Pace {
        per_second: arguments.get_one("per-second").copied(),
        report: &mut |rows| bar.inc(rows),
    };
    let done = plaintexts
        .encrypt(&database, &mut pace)
        .await
        .map_err(failed)?;
    bar.finish_and_clear();
    let mut said = format!(
        "{name}: {} row(s) encrypted, {} in a second\n",
        done.rows,
        rate(done.rows, begun)
    );
    if source != column.name {
        said.push_str(&format!("The values in {source} are still there: drop that column by a migration, and delete older copies of the database.\n"));
    }
    let failures: Vec<String> = failure(&done).into_iter().collect();
    conclude(said, &failures, "correct these rows")
}

#[cfg(not(feature = "adopt"))]
fn format_of(_: &Prepared, _: &ArgMatches) -> Result<Box<dyn Format>, Failed> {
    Ok(Box::new(Plain))
}

#[cfg(feature = "adopt")]
fn format_of(prepared: &Prepared, arguments: &ArgMatches) -> Result<Box<dyn Format>, Failed> {
    use crate::encrypted_fields::django::{Package, PackageFormat, PackageKeys};
    let name = arguments
        .get_one::<String>("format")
        .map_or("", String::as_str);
    let Some((_, package)) = Package::ALL.into_iter().find(|(known, _)| *known == name) else {
        return Ok(Box::new(Plain));
    };
    let django = &prepared.settings().django;
    let secret_keys = secret_keys(prepared.settings());
    let keys = PackageKeys {
        secret_keys: secret_keys.map_err(|error| Failed(error.to_string(), 1))?,
        field_keys: django.field_keys.clone(),
        salts: django.field_salts.clone(),
        own_key: None,
        are_fernet_keys: !django.field_keys_hkdf,
    };
    let ttl = arguments.get_one::<u64>("ttl").copied();
    let format = PackageFormat::new(package, &keys, ttl);
    let format = format.map_err(|why| Failed(format!("{name}: {why}\n  fix: set django.field_keys, and django.field_salts where the package has a salt"), 1))?;
    Ok(Box::new(format))
}
