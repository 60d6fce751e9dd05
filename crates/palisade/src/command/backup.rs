use super::{Failed, Outcome};
use crate::app::Prepared;
use clap::ArgMatches;
use std::path::Path;

/// `backup FILE`: a consistent copy of an SQLite database, even while the site writes.
pub(super) async fn run(prepared: &Prepared, matches: &ArgMatches) -> Outcome {
    let file = matches.get_one::<String>("file").map_or("", String::as_str);
    let settings = prepared.settings();
    let Some(own) = settings.database.file(settings.data()) else {
        return Err(Failed(
            "the database is a server's: use its own program, such as pg_dump".into(),
            1,
        ));
    };
    if !own.exists() {
        return Err(Failed(format!("there is no database {}", own.display()), 1));
    }
    if Path::new(file).exists() {
        return Err(Failed(
            format!("{file} exists already, and is left as it is"),
            1,
        ));
    }
    let failed = |why: String| Failed(format!("{file} was not written: {why}"), 1);
    let database = prepared.database().await?;
    database.back_up(Path::new(file)).await.map_err(|error| {
        // an incomplete copy is deleted
        let _ = std::fs::remove_file(file);
        failed(error.to_string())
    })?;
    Ok(format!(
        "{file} is a copy of {}. The keys are not in it: keep them elsewhere, apart from the \
            copies.\n",
        own.display()
    ))
}
