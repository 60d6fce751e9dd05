//! `generate admin TABLE`: the declaration of a resource, from the columns of its table.

use super::{Failed, Outcome};
use crate::app::Prepared;
use crate::db::{DescribedColumn, Family};
use clap::ArgMatches;

pub(super) async fn run(prepared: &Prepared, matches: &ArgMatches) -> Outcome {
    let Some(("admin", matches)) = matches.subcommand() else {
        return Err(Failed("name a subcommand: admin".into(), 2));
    };
    let table = matches
        .get_one::<String>("table")
        .map_or("", String::as_str);
    let database = prepared.database().await?;
    let columns = database.described(table).await;
    let columns = columns.map_err(|error| Failed(format!("{table} cannot be read: {error}"), 1))?;
    match columns.is_empty() {
        true => Err(Failed(format!("there is no table {table}"), 1)),
        false => Ok(declaration(table, &columns)),
    }
}

/// Columns in the list.
const LISTED: usize = 4;

/// The struct, as Rust code to review and to shorten.
fn declaration(table: &str, columns: &[DescribedColumn]) -> String {
    let model = model_of(table);
    let mut fields = String::new();
    let mut listed = 0;
    for column in columns.iter().filter(|column| !column.is_key) {
        match field_type(column) {
            Ok(kind) => {
                let is_listed = listed < LISTED && !kind.starts_with("Text");
                listed += usize::from(is_listed);
                if is_listed {
                    fields.push_str("    #[admin(list)]\n");
                }
                let kind = if column.is_nullable {
                    format!("Option<{kind}>")
                } else {
                    kind
                };
                fields.push_str(&format!("    {}: {kind},\n", column.name));
            }
            Err(why) => fields.push_str(&format!("    // {}: {why}\n", column.name)),
        }
    }
    format!(
        "/// Rows of `{table}`.\n#[derive(Admin)]\n#[admin(of = {model}::Entity)]\nstruct {}s {{\n{fields}}}\n\n\
         // App::new().entity::<{model}::Entity>().admin(Admin::new().resource::<{}s>())\n\
         // {model}::Entity needs its policy of rows: impl Scoped for {model}::Entity\n",
        camel(&model),
        camel(&model)
    )
}

/// The type of a field, or the reason why a column has none.
fn field_type(column: &DescribedColumn) -> Result<String, &'static str> {
    const SECRETS: [&str; 6] = [
        "password",
        "secret",
        "token",
        "api_key",
        "private_key",
        "otp",
    ];
    let name = format!("_{}_", column.name);
    if SECRETS
        .iter()
        .any(|word| name.contains(&format!("_{word}_")))
    {
        return Err("a secret is no field of the admin");
    }
    if let Some(target) = &column.target {
        return Ok(match target.as_str() {
            "auth_user" => "Pick<palisade::admin::user::Entity>".to_owned(),
            other => format!("Pick<{}::Entity>", model_of(other)),
        });
    }
    Ok(match (column.family, column.length) {
        (Some(Family::Text), Some(length)) => format!("Line<{length}>"),
        (Some(Family::Text), None) => "Text<10_000>".to_owned(),
        (Some(Family::SmallInteger | Family::Integer), _) => "i32".to_owned(),
        (Some(Family::BigInteger), _) => "i64".to_owned(),
        (Some(Family::Boolean), _) => "bool".to_owned(),
        (Some(Family::Date), _) => "Day".to_owned(),
        (Some(Family::DateTime | Family::DateTimeWithZone), _) => "Moment".to_owned(),
        (Some(Family::Decimal), digits) => {
            format!("palisade::forms::Decimal<{}, 2>", digits.unwrap_or(12))
        }
        _ => return Err("its type has no field: leave it out, or implement forms::Field"),
    })
}

/// `helpdesk_ticket` is the module `ticket`.
fn model_of(table: &str) -> String {
    table
        .split_once('_')
        .map_or(table, |(_, model)| model)
        .to_owned()
}

/// `open_ticket` is `OpenTicket`.
fn camel(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    words.map(word).collect()
}
