//! `backup copy`: an SQLite database as one file.

use crate::app::Prepared;
use crate::command::{Failed, Outcome};
use clap::ArgMatches;
use std::path::Path;

/// `backup copy FILE`: a consistent copy of an SQLite database, even while the site writes.
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
    let keys = matches.get_flag("with-user-keys");
    let without = (!keys).then_some("palisade_user_key");
    let copied = database.back_up(Path::new(file), without).await;
    copied.map_err(|error| {
        // an incomplete copy is deleted
        for end in ["", "-journal", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{file}{end}"));
        }
        failed(error.to_string())
    })?;
    let of_users = if keys {
        "It holds the keys of users: a deleted user's values can be decrypted for as long as it is kept."
    } else {
        "The keys of users are not in it, so that it forgets the values of users who are deleted later."
    };
    Ok(format!(
        "{file} is a copy of {}. The keys are not in it: keep them elsewhere, apart from the \
            copies. {of_users}\n",
        own.display()
    ))
}
