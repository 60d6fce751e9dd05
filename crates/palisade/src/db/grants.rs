//! Privileges of a site's database roles: one migrates, and one serves without DDL (ASVS 13.2.2).

/// SQL for two roles of PostgreSQL, `{program}_owner` and `{program}_site`, of which the second one
/// reads and writes rows only. It is run before and after the first `migrate`.
pub(crate) fn grants_of_roles(program: &str) -> String {
    let text = include_str!("grants.postgres.sql").replace("{program}", program);
    text.replace("{name}", &identifier(program))
}

/// A name of letters, digits and _.
fn identifier(program: &str) -> String {
    program
        .replace(|c: char| !c.is_ascii_alphanumeric(), "_")
        .to_lowercase()
}
