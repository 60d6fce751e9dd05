use super::arguments::{
    acting, address, data, flag, named, on_object, reason, role, until, username,
};
use super::deploy::{CONFIGS, GRANTS, LIMITS};
use crate::app::SiteCommand;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgGroup, Command};

/// The command line, with the site's custom commands.
pub(super) fn command(own: &[SiteCommand]) -> Command {
    let program = Command::new(super::arguments::program_name())
        .about("Runs the site and its commands. Without a command: serve")
        .arg(data())
        .subcommand(Command::new("serve").about("Serve the site").arg(address()))
        .subcommand(check())
        .subcommand(migrate())
        .subcommand(
            Command::new("routes")
                .about("List routes: method, path, access, CSRF token, limit, source"),
        )
        .subcommand(
            Command::new("settings")
                .about("List settings with their sources; secrets are not shown")
                .arg(flag("explain", "Describe each setting")),
        )
        .subcommand(super::openapi::command())
        .subcommand(user())
        .subcommand(super::permissions::command())
        .subcommand(super::group::command())
        .subcommand(lockout())
        .subcommand(super::tasks::tasks_command())
        .subcommand(super::tasks::jobs_command())
        .subcommand(keys())
        .subcommand(super::data::command())
        .subcommand(super::files::command())
        .subcommand(super::audit::command())
        .subcommand(super::privacy::command())
        .subcommand(super::privacy::retention())
        .subcommand(super::incident::command())
        .subcommand(super::runbook::command())
        .subcommand(super::backup::command())
        .subcommand(super::backup::restore_command())
        .subcommand(super::doctor::command())
        .subcommand(generate())
        .subcommand(deploy());
    #[cfg(feature = "adopt")]
    let program = program.subcommand(super::adopt::command());
    own.iter().fold(program, |program, own| {
        program.subcommand(Command::new(own.name).about(own.about))
    })
}

fn check() -> Command {
    Command::new("check")
        .about(
            "Check the settings that the site would run with; errors set the exit \
                    status, and warnings with --deploy; notes do not",
        )
        .arg(flag(
            "deploy",
            "Check as for production, and fail on warnings too",
        ))
        .arg(flag(
            "templates",
            "List every place where a value meets a context other than HTML text, instead",
        ))
        .arg(flag("json", "Print JSON"))
        .arg(flag("list", "List all checks of settings, instead"))
}

fn migrate() -> Command {
    Command::new("migrate").about("Run pending migrations").arg(flag("plan", "Only list the pending migrations"))
                .arg(flag("undo", "Revert them: drop the site's tables with all data, and its permissions; Django's tables stay").conflicts_with("plan"))
                .arg(named("to", "NAME", "Run or revert migrations until this one is the last; reverting drops its tables and columns").conflicts_with("undo"))
                .arg(named("draft", "NAME", "Print a migration after which the tables are those of the registered entities, to review and complete").conflicts_with_all(["plan", "undo", "to"]))
                .arg(flag("yes", "Do not ask"))
}

fn rights(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .arg(username())
        .arg(
            Arg::new("permission")
                .value_name("PERMISSION")
                .help("A permission, such as helpdesk.work_queue"),
        )
        .arg(
            Arg::new("group")
                .long("group")
                .value_name("NAME")
                .help("A group"),
        )
        .arg(flag("staff", "The rank of staff"))
        .arg(flag("superuser", "The rank of a superuser"))
        .arg(on_object().conflicts_with_all(["group", "staff", "superuser"]))
        .arg(role().conflicts_with("permission"))
        .arg(named(
            "as",
            "NAME",
            "The user who does it: refused where the user lacks the rights",
        ))
}

fn user() -> Command {
    Command::new("user")
        .about("Make and list accounts")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("create")
                .about("Make an account; the password is asked for, or read from standard input")
                .arg(username())
                .arg(
                    Arg::new("email")
                        .long("email")
                        .value_name("ADDRESS")
                        .required(true)
                        .help("E-mail address"),
                )
                .arg(flag("staff", "Staff status"))
                .arg(flag("superuser", "Superuser status: all permissions")),
        )
        .subcommand(
            Command::new("password")
                .about("Set a password, which ends the user's sessions")
                .arg(username())
                .arg(acting()),
        )
        .subcommand(
            Command::new("remove-factors")
                .about(
                    "Remove a user's second factors after a day, for a user who has lost them \
                        all and whose identity you have verified; the user is notified by mail, \
                        and keeps them by logging in with one",
                )
                .arg(username())
                .arg(acting())
                .arg(flag(
                    "now",
                    "At once, without the day in which the owner can cancel it",
                )),
        )
        .subcommand(
            Command::new("remove-logins")
                .about("Remove a user's social logins; the user is notified by mail")
                .arg(username())
                .arg(acting()),
        )
        .subcommand(Command::new("wrap-hashes").about(
            "Wrap MD5 and SHA-1 password hashes of an old site \
                in strong hashes",
        ))
        .subcommand(
            Command::new("open")
                .about("Reopen a closed account")
                .arg(username())
                .arg(acting()),
        )
        .subcommand(
            Command::new("close")
                .about("Close an account until it is reopened, and end its sessions")
                .arg(username())
                .arg(acting()),
        )
        .subcommand(
            Command::new("email")
                .about(
                    "Set another email address, for a user who lost the old mailbox and whose \
                    identity you have verified; both addresses are notified",
                )
                .arg(username())
                .arg(acting())
                .arg(
                    Arg::new("address")
                        .value_name("ADDRESS")
                        .required(true)
                        .help("The new email address"),
                ),
        )
        .subcommand(
            rights(
                "grant",
                "Grant an account a permission, a group, or a rank; its owner is notified",
            )
            .arg(until())
            .arg(reason()),
        )
        .subcommand(rights(
            "revoke",
            "Revoke a permission, a group, or a rank from an account; its owner is notified",
        ))
        .subcommand(
            Command::new("delete")
                .about("Delete an account with all its data")
                .arg(username())
                .arg(acting())
                .arg(flag("yes", "Do not ask")),
        )
        .subcommand(super::privacy::export())
        .subcommand(super::access_tokens::command())
        .subcommand(
            Command::new("sign-out")
                .about("End all sessions of a user")
                .arg(username())
                .arg(acting()),
        )
        .subcommand(super::access_report::command())
        .subcommand(Command::new("conflicts").about(
            "List names that differ only by case or by \
            letters that look the same",
        ))
        .subcommand(
            Command::new("list")
                .about("List all accounts")
                .arg(flag("json", "Print JSON")),
        )
}

fn which(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

fn lockout() -> Command {
    Command::new("lockout")
        .about("List and lift lockouts")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("list")
                .about("List active locks")
                .arg(which(
                    "containing",
                    "TEXT",
                    "Names and addresses that contain this",
                ))
                .arg(flag("json", "Print JSON")),
        )
        .subcommand(
            Command::new("clear")
                .about("Lift locks: of one name, of one address, or all")
                .arg(which("user", "NAME", "Login name"))
                .arg(which(
                    "address",
                    "IP",
                    "Address, or the IPv6 network that it is in",
                ))
                .arg(flag("all", "Every lock"))
                .group(
                    ArgGroup::new("which")
                        .args(["user", "address", "all"])
                        .required(true),
                ),
        )
}

fn keys() -> Command {
    Command::new("keys")
        .about("Make and rotate the site's secret keys")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("new").about("Write the first key, for a new site"))
        .subcommand(
            Command::new("rotate")
                .about(
                    "Add a key, which signs from then on; sessions stay valid. If no site is \
                    running, also re-encrypt all values with it",
                )
                .arg(flag(
                    "add-only",
                    "Leave that to the site, which does it some time after its restart",
                )),
        )
        .subcommand(Command::new("reencrypt").about(
            "Re-encrypt values of older keys with the \
            newest; run it when every instance has the newest key",
        ))
        .subcommand(Command::new("retire").about(
            "Remove the oldest key; refused while an \
            encrypted value needs it",
        ))
}

fn generate() -> Command {
    let table = Arg::new("table").value_name("TABLE").required(true);
    Command::new("generate")
        .about("Print code from the site's database")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("admin")
                .about("Print the declaration of a table for the admin, to review and to shorten")
                .arg(table.help("A table, also one of a Django project")),
        )
}

fn name_argument(names: &'static [&'static str]) -> Arg {
    Arg::new("name")
        .required(true)
        .value_parser(PossibleValuesParser::new(names))
}

fn deploy() -> Command {
    Command::new("deploy")
        .about(
            "Print configuration files for programs next to the site, generated from its settings",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("config")
                .about("For a reverse proxy, systemd or Docker")
                .arg(name_argument(&CONFIGS)),
        )
        .subcommand(
            Command::new("grants")
                .about("SQL for two database roles: one migrates, one serves and changes no table")
                .arg(name_argument(&GRANTS)),
        )
        .subcommand(
            Command::new("limits")
                .about("Rate limits for a server in front of the site")
                .arg(name_argument(&LIMITS)),
        )
}
