use crate::app::RouteInfo;
use crate::checks::Finding;
use crate::settings::Effective;
use palisade_template::Use;
use serde_json::json;
use std::io::Write;

/// To standard output. A closed pipe is not an error.
pub(super) fn out(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// To standard error.
pub(super) fn error(text: &str) {
    if !text.is_empty() {
        let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
    }
}

/// The route table; `limits` are those of unsafe requests.
pub(super) fn routes(table: &[RouteInfo], limits: &str) -> String {
    let rows = table.iter().map(|route| {
        let RouteInfo {
            method,
            path,
            access,
            csrf,
            limits: own,
            handler,
            source,
            is_api: _,
        } = route;
        let of_site = (*csrf != "-").then_some(limits);
        let all: Vec<&str> = own.iter().map(String::as_str).chain(of_site).collect();
        let limits = if all.is_empty() {
            "-".into()
        } else {
            all.join("; ")
        };
        [
            method.to_string(),
            path.clone(),
            access.clone(),
            (*csrf).into(),
            limits,
            format!("{source} {handler}"),
        ]
    });
    table_of(
        ["METHOD", "PATH", "WHO MAY", "CSRF", "LIMITS", "SOURCE"],
        rows.collect(),
    )
}

/// The table of template values outside HTML text.
pub(super) fn uses(uses: &[Use]) -> String {
    let row = |one: &Use| {
        [
            format!("{}:{}:{}", one.template, one.line, one.column),
            one.expression.clone(),
            one.context.clone(),
        ]
    };
    table_of(
        ["PLACE", "VALUE", "CONTEXT"],
        uses.iter().map(row).collect(),
    )
}

/// The same as JSON.
pub(super) fn uses_json(uses: &[Use]) -> String {
    let row = |one: &Use| {
        json!({
            "template": one.template, "line": one.line, "column": one.column, "value": one.expression, "context": one.context,
        })
    };
    format!("{:#}\n", json!(uses.iter().map(row).collect::<Vec<_>>()))
}

/// The table of settings.
pub(super) fn settings(effective: &[Effective]) -> String {
    let rows = effective.iter().map(
        |Effective {
             key, value, origin, ..
         }| [key.clone(), value.clone(), origin.to_string()],
    );
    table_of(["SETTING", "VALUE", "FROM"], rows.collect())
}

/// The settings with their descriptions.
pub(super) fn explain(effective: &[Effective]) -> String {
    let one =
        |Effective {
             key,
             value,
             origin,
             doc,
         }: &Effective| { format!("{key} = {value}   ({origin})\n    {doc}\n") };
    effective.iter().map(one).collect()
}

/// All checks of settings.
pub(super) fn checks(all: &[Finding]) -> String {
    let row = |one: &Finding| {
        [
            one.level.word().to_owned(),
            one.id.to_string(),
            one.title.to_string(),
        ]
    };
    table_of(["LEVEL", "ID", "FINDING"], all.iter().map(row).collect())
}

/// The table of migrations.
pub(super) fn migrations(what: &str, names: &[String]) -> String {
    if names.is_empty() {
        return "nothing to do: all migrations have run\n".into();
    }
    names
        .iter()
        .map(|name| format!("{what}: {name}\n"))
        .collect()
}

/// A migration with these changes, as Rust code.
pub(super) fn draft(name: &str, changes: &[String]) -> String {
    match changes.is_empty() {
        true => "nothing to do: the tables are those of the entities\n".into(),
        false => format!("Migration::new({name:?})\n{}\n", changes.join("\n")),
    }
}

/// A table with minimal column widths.
pub(super) fn table_of<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    let head = head.map(str::to_owned);
    let width = |column: usize| {
        rows.iter()
            .chain([&head])
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    [&head].into_iter().chain(&rows).map(line).collect()
}
