//! The programs of PostgreSQL: `pg_dump` and `pg_restore`.

use super::PostgresUrl;
use percent_encoding::percent_decode_str;
use std::path::Path;
use std::process::Command;
use url::Url;

/// Parameters of a URL that the programs know, too.
const KNOWN: [&str; 4] = ["host", "port", "options", "sslrootcert"];

/// Certificates of the system, where a URL names none.
const SYSTEM_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A program of PostgreSQL for a database. The password is in its environment, where other users of
/// the machine do not see it, and not among its arguments. TLS is verified as by the site itself.
pub(crate) fn postgres_tool(program: &str, url: &PostgresUrl) -> Command {
    let mut command = Command::new(program);
    let Ok(mut parsed) = Url::parse(url.expose()) else {
        return command;
    };
    let password = parsed.password().map(str::to_owned).unwrap_or_default();
    let password = percent_decode_str(&password)
        .decode_utf8_lossy()
        .into_owned();
    let _ = parsed.set_password(None);
    let kept: Vec<(String, String)> = parsed
        .query_pairs()
        .filter(|(name, _)| KNOWN.contains(&&**name))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let names_certificate = kept.iter().any(|(name, _)| name == "sslrootcert");
    parsed.set_query(None);
    if !kept.is_empty() {
        parsed.query_pairs_mut().extend_pairs(kept);
    }
    command
        .env("PGPASSWORD", password)
        .env("PGAPPNAME", "palisade");
    if url.is_local() {
        command.env("PGSSLMODE", "prefer");
    } else {
        command.env("PGSSLMODE", "verify-full");
        if !names_certificate && Path::new(SYSTEM_CERTIFICATES).exists() {
            command.env("PGSSLROOTCERT", SYSTEM_CERTIFICATES);
        }
    }
    command
        .arg("--dbname")
        .arg(String::from(parsed))
        .arg("--no-password");
    command
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::db::DatabaseUrl;

    fn tool(url: &str) -> Command {
        let DatabaseUrl::Postgres(url) = url.parse().unwrap() else {
            unreachable!("a server")
        };
        postgres_tool("pg_dump", &url)
    }

    // V13.3.1: the list of processes shows arguments to every user
    #[test]
    fn a_password_is_no_argument() {
        let command = tool(
            "postgres://site:s%40cret@db.example.org/site?sslmode=disable&statement-cache-capacity=1",
        );
        let arguments: Vec<_> = command
            .get_args()
            .map(|one| one.to_str().unwrap())
            .collect();
        assert_eq!(
            arguments,
            [
                "--dbname",
                "postgres://site@db.example.org/site",
                "--no-password"
            ]
        );
        let environment: Vec<_> = command.get_envs().collect();
        let has =
            |name: &str, value: &str| environment.contains(&(name.as_ref(), Some(value.as_ref())));
        assert!(has("PGPASSWORD", "s@cret"));
        assert!(has("PGSSLMODE", "verify-full"), "{environment:?}");
    }
}
