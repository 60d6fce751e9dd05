//! `incident evidence`: one encrypted file for investigators.

use crate::app::Site;
use crate::command::arguments::named;
#[cfg(feature = "evidence")]
use crate::command::incident::failed;
use crate::command::{Failed, Outcome};
use clap::{ArgMatches, Command};

pub(super) fn command() -> Command {
    Command::new("evidence")
        .about("Collect the audit log, its verification, settings without secrets, routes, findings and measures into one file, encrypted to incident.recipients")
        .arg(named("out", "FILE", "A file that does not exist yet, such as evidence.tar.age").required(true))
}

#[cfg(not(feature = "evidence"))]
pub(super) async fn run(_: &Site, _: &ArgMatches) -> Outcome {
    let said = "this program was built without the feature evidence\n  fix: build with it";
    Err(Failed(said.into(), 1))
}

#[cfg(feature = "evidence")]
pub(super) use bundle::run;

#[cfg(feature = "evidence")]
mod bundle {
    use super::*;
    use crate::audit_log::{Entry, Event, Expected, Listed, Wanted, entries, record_now, verify};
    use crate::command::print;
    use crate::command::subject::argument;
    use crate::incident::{Measure, instances, measures};
    use age::x25519::Recipient;
    use sea_orm::DbErr;
    use serde_json::{Value, json};
    use sha2::{Digest, Sha256};
    use std::fs::File;
    use std::io::{self, Write};
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;

    /// Entries that are read at once.
    const PAGE: u64 = 5_000;

    /// Name and content of a file.
    type Part = (&'static str, Vec<u8>);

    pub(in crate::command::incident) async fn run(site: &Site, matches: &ArgMatches) -> Outcome {
        let recipients = recipients(site)?;
        let file = argument(matches, "out");
        let taken = Entry::new(Event::EvidenceTaken)
            .detail(format!("for {} recipient(s)", recipients.len()));
        // an attacker who damaged the log or its database must not prevent the rest
        let recorded = match record_now(site.database(), taken).await {
            Ok(()) => site.audit.flush(site.database()).await.map(drop),
            refused => refused,
        };
        let mut parts = collect(site, recorded.err()).await?;
        parts.push(("MANIFEST", manifest(site, &parts)));
        write(Path::new(file), &parts, &recipients)
            .map_err(|error| Failed(format!("{file}: {error}"), 1))?;
        let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
        Ok(format!(
            "{file} holds {}; it is encrypted for {} recipient(s), and the signature of its MANIFEST \
                verifies with `audit key`\n",
            names.join(", "),
            recipients.len()
        ))
    }

    fn recipients(site: &Site) -> Result<Vec<Recipient>, Failed> {
        let all = &site.settings().incident.recipients;
        if all.is_empty() {
            let said = "there is no recipient\n  fix: run `age-keygen` on another machine, and set incident.recipients to its public key (age1…)";
            return Err(Failed(said.into(), 1));
        }
        let parse = |recipient: &crate::incident::Recipient| {
            let text = recipient.to_string();
            text.parse()
                .map_err(|error| Failed(format!("incident.recipients: {text}: {error}"), 1))
        };
        all.iter().map(parse).collect()
    }

    /// All parts. `refused` is the error of the log, if it took no entry.
    async fn collect(site: &Site, refused: Option<DbErr>) -> Result<Vec<Part>, Failed> {
        let (log, database) = (&site.audit, site.database());
        let expected = Expected {
            checkpoints: Vec::new(),
            known_damage: 0,
        };
        let verified = verify(log, database, &expected).await.map_err(failed)?;
        let tampering = verified.tampering.as_ref().map(ToString::to_string);
        let verified = json!({
            "from": verified.from, "to": verified.to, "erased": verified.erased, "tampering": tampering,
            "refused": refused.map(|error| error.to_string()),
        });
        // a changed head has no checkpoint, which is a finding and no obstacle
        let checkpoint = log.checkpoint(database).await.ok().flatten();
        let keys: String = log
            .verifiers()
            .iter()
            .map(|key| format!("{key}\n"))
            .collect();
        let settings = site.settings();
        let findings: Vec<Value> = settings
            .findings()
            .iter()
            .map(|finding| json!({ "id": finding.id, "title": finding.title }))
            .collect();
        Ok(vec![
            ("audit.jsonl", all_entries(site).await?.into_bytes()),
            ("verify.json", pretty(&verified)),
            (
                "checkpoint.txt",
                checkpoint.unwrap_or_default().into_bytes(),
            ),
            ("keys.txt", keys.into_bytes()),
            (
                "settings.txt",
                print::settings(&settings.effective).into_bytes(),
            ),
            ("routes.txt", print::routes(site.routes(), "").into_bytes()),
            ("findings.json", pretty(&findings.into())),
            ("measures.json", pretty(&held(site).await?)),
            ("program.json", pretty(&program(site))),
        ])
    }

    fn pretty(value: &Value) -> Vec<u8> {
        format!("{value:#}\n").into_bytes()
    }

    /// All entries with their personal parts, a JSON object per line.
    async fn all_entries(site: &Site) -> Result<String, Failed> {
        let (mut lines, mut before) = (Vec::new(), None);
        loop {
            let wanted = Wanted {
                before,
                most: PAGE,
                ..Wanted::default()
            };
            let page = entries(site.database(), &wanted).await.map_err(failed)?;
            let Some(first) = page.first() else { break };
            before = Some(first.seq);
            let line = |entry: &Listed| serde_json::to_string(entry).unwrap_or_default() + "\n";
            lines.push(page.iter().map(line).collect::<String>());
        }
        lines.reverse();
        Ok(lines.concat())
    }

    async fn held(site: &Site) -> Result<Value, Failed> {
        let now = site.now().timestamp();
        let held = measures(site.database(), now).await.map_err(failed)?;
        let running = instances(site.database(), now).await.map_err(failed)?;
        let measure = |one: &Measure| {
            json!({
                "id": one.id, "measure": one.kind.word(), "value": one.value, "reason": one.reason,
                "since": one.since, "until": one.until, "refused": one.hits,
            })
        };
        Ok(json!({
            "measures": held.iter().map(measure).collect::<Value>(),
            "instances": running.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(),
        }))
    }

    /// Versions, and the hash of the program's file.
    fn program(site: &Site) -> Value {
        let hash = std::env::current_exe()
            .and_then(std::fs::read)
            .map(|program| hex(&program));
        json!({
            "palisade": env!("CARGO_PKG_VERSION"),
            "system": std::env::consts::OS,
            "architecture": std::env::consts::ARCH,
            "sha256": hash.ok(),
            "collected": site.now().to_rfc3339(),
        })
    }

    fn hex(bytes: &[u8]) -> String {
        crate::crypto::hex(&Sha256::digest(bytes))
    }

    /// Hash and length of each part, signed with the key of checkpoints.
    fn manifest(site: &Site, parts: &[Part]) -> Vec<u8> {
        let line = |(name, content): &Part| format!("{} {} {name}\n", hex(content), content.len());
        let text: String = parts.iter().map(line).collect();
        site.audit.sign(&text).into_bytes()
    }

    /// Writes the encrypted archive. A half-written file is removed.
    fn write(path: &Path, parts: &[Part], recipients: &[Recipient]) -> io::Result<()> {
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let written = encrypt(file, parts, recipients);
        if written.is_err() {
            let _ = std::fs::remove_file(path);
        }
        written
    }

    fn encrypt(file: File, parts: &[Part], recipients: &[Recipient]) -> io::Result<()> {
        let recipients = recipients.iter().map(|one| one as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        let mut archive = tar::Builder::new(encryptor.wrap_output(&file)?);
        for (name, content) in parts {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            archive.append_data(&mut header, name, content.as_slice())?;
        }
        archive.into_inner()?.finish()?.flush()?;
        file.sync_all()
    }
}
