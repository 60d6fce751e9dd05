use super::audit;
use super::serve::{is_serving, serves_since_before};
use super::{Failed, Outcome};
use crate::app::{self, DataKeyFile, KeyFile, Prepared, keys_in_use, reseal};
use crate::crypto::Secret;
use crate::db::Resealed;
use clap::ArgMatches;

/// `keys new`, `keys rotate`, `keys reencrypt` and `keys retire`.
pub(super) async fn run(prepared: &Prepared, matches: &ArgMatches) -> Outcome {
    match matches.subcommand() {
        Some(("new", _)) => create(prepared),
        Some(("rotate", rotate)) => {
            let said = match rotate.get_flag("add-only") {
                true => add_key(prepared)? + REENCRYPTED_LATER,
                false => rotate_key(prepared).await?,
            };
            audit::record_key_change(prepared, "a key was added").await?;
            Ok(said)
        }
        Some(("reencrypt", _)) => reencrypt(prepared).await,
        Some(("retire", _)) => retire(prepared).await,
        _ => Err(Failed(
            "keys new, keys rotate, keys reencrypt or keys retire".into(),
            2,
        )),
    }
}

/// Adds a key during an incident, with the reason in the audit log. The running site re-encrypts
/// after its restart.
pub(super) async fn rotate_for_incident(prepared: &Prepared, reason: &str) -> Outcome {
    let said = add_key(prepared)?;
    audit::record_key_change(prepared, &format!("a key was added: {reason}")).await?;
    Ok(said)
}

/// The key file; keys of the environment are changed there.
fn file(prepared: &Prepared) -> Result<KeyFile, Failed> {
    if prepared.settings().keys.secret.is_some() {
        let advice = "the key comes from SECRET_KEY: put a new one there, and the old one in front of SECRET_KEY_FALLBACKS";
        return Err(Failed(advice.into(), 1));
    }
    Ok(KeyFile::in_settings(prepared.settings()))
}

fn create(prepared: &Prepared) -> Outcome {
    if prepared.lacks_data_key() {
        prepared.make_data_key()?;
        let shown = DataKeyFile::of(prepared.settings());
        let made = format!(
            "{} holds the first key of encrypted columns.\n",
            shown.path().display()
        );
        let is_there = KeyFile::in_settings(prepared.settings()).path().exists();
        if is_there || prepared.settings().keys.secret.is_some() {
            return Ok(made);
        }
    }
    let file = file(prepared)?;
    let shown = file.path().display();
    if file.path().exists() {
        return Err(Failed(
            format!("{shown} exists already; `keys rotate` adds a key to it"),
            1,
        ));
    }
    let count = file.add_key().map_err(|error| unwritten(&file, &error))?;
    Ok(format!(
        "{shown} holds {count} key(s); the newest signs, all verify. Restart the site to use it.\n"
    ))
}

fn unwritten(file: &KeyFile, error: &std::io::Error) -> Failed {
    Failed(
        format!("{} cannot be written: {error}", file.path().display()),
        1,
    )
}

/// Adds a key, and re-encrypts with it. A running site does not know the new key: it re-encrypts
/// automatically some time after its restart.
async fn rotate_key(prepared: &Prepared) -> Outcome {
    let said = add_key(prepared)?;
    if is_serving(prepared.settings().data()) {
        return Ok(said + REENCRYPTED_LATER);
    }
    Ok(said + &reencrypt(prepared).await?)
}

const REENCRYPTED_LATER: &str = "Ten minutes after the restart the site re-encrypts values of the \
    older key; `keys reencrypt` does it at once. Then `keys retire` removes the oldest key.\n";

fn add_key(prepared: &Prepared) -> Outcome {
    let file = file(prepared)?;
    let shown = file.path().display();
    if !file.path().exists() {
        return Err(Failed(
            format!("{shown} does not exist; `keys new` writes the first key"),
            1,
        ));
    }
    let count = file.add_key().map_err(|error| unwritten(&file, &error))?;
    Ok(format!(
        "{shown} holds {count} key(s); the newest signs, all verify. Restart the site to use it.\n"
    ))
}

async fn reencrypt(prepared: &Prepared) -> Outcome {
    refuse_before_restart(prepared)?;
    let Some((database, ring)) = prepared.database_and_ring().await else {
        return Ok("The database is not ready, so nothing was re-encrypted.\n".into());
    };
    let Resealed { done, unopened } = reseal(&database, &ring).await.map_err(database_failed)?;
    let mut said = format!("{done} value(s) re-encrypted with the newest key.\n");
    if unopened > 0 {
        said.push_str(&format!(
            "{unopened} value(s) cannot be decrypted: restore the key that encrypted them.\n"
        ));
    }
    Ok(said)
}

fn database_failed(error: sea_orm::DbErr) -> Failed {
    Failed(format!("the database: {error}"), 1)
}

/// A site that started before the newest key was written can neither decrypt with that key nor
/// encrypt with it.
fn refuse_before_restart(prepared: &Prepared) -> Result<(), Failed> {
    let file = KeyFile::in_settings(prepared.settings());
    if prepared.settings().keys.secret.is_none()
        && serves_since_before(prepared.settings().data(), file.path())
    {
        let said = "the running site does not know the newest key\n  fix: restart it (all instances of this folder), and try again";
        return Err(Failed(said.into(), 1));
    }
    Ok(())
}

/// Removes the oldest key, unless a value still needs it.
async fn retire(prepared: &Prepared) -> Outcome {
    let ring = app::ring(prepared.settings()).map_err(|error| Failed(error.to_string(), 1))?;
    if ring.len() < 2 {
        return Err(Failed(
            "there is one key, and it cannot be retired; `keys rotate` adds a newer one".into(),
            1,
        ));
    }
    let Some((database, ring)) = prepared.database_and_ring().await else {
        return Err(Failed(
            "the database does not answer or is not ready, so it is unknown whether the oldest \
                key is needed"
                .into(),
            1,
        ));
    };
    let file = KeyFile::in_settings(prepared.settings());
    let oldest = file
        .read()
        .ok()
        .and_then(|mut keys| keys.pop())
        .unwrap_or_else(|| Secret::new(String::new()));
    let needed = keys_in_use(&database, &ring)
        .await
        .map_err(database_failed)?;
    if !needed.oldest.is_empty() {
        let shown: Vec<String> = needed
            .oldest
            .iter()
            .map(|(column, count)| format!("{column}: {count}"))
            .collect();
        let said = format!(
            "the oldest key is needed by values that it has encrypted ({})\n  fix: run `keys \
                reencrypt` first",
            shown.join(", ")
        );
        return Err(Failed(said, 1));
    }
    refuse_before_restart(prepared)?;
    // entries under the oldest key are sealed by one under the newest
    audit::record_key_change(prepared, "the oldest key is retired").await?;
    audit::seal_by_newest_key(prepared).await?;
    let has_fallbacks = !prepared.settings().keys.fallbacks.is_empty();
    if prepared.settings().keys.secret.is_some() || has_fallbacks {
        return Ok("No value needs the oldest key: remove the last one from SECRET_KEY_FALLBACKS and restart the site.\n".into());
    }
    let count = file
        .remove_oldest(&oldest)
        .map_err(|error| unwritten(&file, &error))?;
    Ok(format!(
        "{} holds {count} key(s). Restart the site: sessions and links signed with the retired \
            key end then.\n",
        file.path().display()
    ))
}
