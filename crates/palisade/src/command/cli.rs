use super::deploy::{CONFIGS, LIMITS};
use crate::app::SiteCommand;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgGroup, Command};

/// The command line, with the site's custom commands.
pub(super) fn command(own: &[SiteCommand]) -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    let data = Arg::new("data")
        .long("data")
        .value_name("DIR")
        .global(true)
        .help("Folder of the database, the key and files");
    let address = Arg::new("address")
        .long("address")
        .value_name("IP:PORT")
        .help("Address to listen on, such as 127.0.0.1:8000");
    let username = || {
        Arg::new("username")
            .value_name("NAME")
            .required(true)
            .help("Login name")
    };
    let rights = |name: &'static str, about: &'static str| {
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
    };
    let user = Command::new("user")
        .about("Make and list accounts")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("create")
                .about("Make an account; the password is asked for, or read from standard input")
                .arg(username())
                .arg(Arg::new("email").long("email").value_name("ADDRESS").required(true).help("E-mail address"))
                .arg(flag("staff", "The user works here"))
                .arg(flag("superuser", "The user may do everything")),
        )
        .subcommand(Command::new("password").about("Set a password, which ends the user's sessions").arg(username()))
        .subcommand(
            Command::new("remove-factors")
                .about(
                    "Take a user's second factors away after a day, for somebody who lost them all and whom you know; the user is told by mail, and keeps them by logging in with one",
                )
                .arg(username())
                .arg(flag("now", "At once, without the day in which the owner can object")),
        )
        .subcommand(
            Command::new("remove-logins").about("Take a user's logins by other sites away; the user is told by mail").arg(username()),
        )
        .subcommand(
            Command::new("wrap-hashes").about("Put passwords hashed with MD5 or SHA-1, by an old site, inside strong hashes"),
        )
        .subcommand(Command::new("open").about("Open an account that was closed").arg(username()))
        .subcommand(Command::new("close").about("Close an account until it is opened again, and end its sessions").arg(username()))
        .subcommand(
            Command::new("email")
                .about("Give an account another email address, for a user who lost the old mailbox and whose identity you have verified; both addresses are notified")
                .arg(username())
                .arg(Arg::new("address").value_name("ADDRESS").required(true).help("The new email address")),
        )
        .subcommand(rights("grant", "Give an account a permission, a group, or a rank; its owner is told"))
        .subcommand(rights("revoke", "Take a permission, a group, or a rank from an account; its owner is told"))
        .subcommand(
            Command::new("delete")
                .about("Delete an account with everything that belongs to it")
                .arg(username())
                .arg(flag("yes", "Do not ask")),
        )
        .subcommand(Command::new("sign-out").about("End all sessions of a user").arg(username()))
        .subcommand(Command::new("conflicts").about("List names that differ only by case or by letters that look the same"))
        .subcommand(Command::new("list").about("List all accounts").arg(flag("json", "Print JSON")));
    let which = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let lockout = Command::new("lockout")
        .about("List and lift locks of those who guessed too often")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("list")
                .about("List the locks that hold")
                .arg(which(
                    "containing",
                    "TEXT",
                    "Of names and addresses that hold this",
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
        );
    let keys = Command::new("keys")
        .about("Make and rotate the site's secret keys")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("new").about("Write the first key, for a new site"))
        .subcommand(
            Command::new("rotate")
                .about("Add a key, which signs from then on; sessions stay valid. If no site is running, also re-encrypt all values with it")
                .arg(flag("add-only", "Leave that to the site, which does it some time after its restart")),
        )
        .subcommand(Command::new("reencrypt").about("Encrypt with the newest key what older ones have encrypted; run it when every instance has the newest key"))
        .subcommand(Command::new("retire").about("Take the oldest key out; refused while an encrypted value needs it"));
    let backup = Command::new("backup")
        .about("Write a copy of an SQLite database, while the site runs or not")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .help("A file that does not exist yet"),
        );
    let named = |names: &'static [&'static str]| {
        Arg::new("name")
            .required(true)
            .value_parser(PossibleValuesParser::new(names))
    };
    let deploy = Command::new("deploy")
        .about("Print configurations for what stands beside the site, made of its settings")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("config")
                .about("Of a proxy, of systemd or of Docker")
                .arg(named(&CONFIGS)),
        )
        .subcommand(
            Command::new("limits")
                .about("The limits by rate, for those who have something in front")
                .arg(named(&LIMITS)),
        );
    let program = Command::new(program_name())
        .about("Serves the site, and what belongs to serving it. Without a command: serve")
        .arg(data)
        .subcommand(Command::new("serve").about("Serve the site").arg(address))
        .subcommand(
            Command::new("check")
                .about("Judge the settings that the site would run with; errors set the exit status, and warnings with --deploy; notes do not")
                .arg(flag("deploy", "Judge as for production, and fail on warnings too"))
                .arg(flag("templates", "List every place where a value meets a context other than HTML text, instead"))
                .arg(flag("json", "Print JSON")),
        )
        .subcommand(Command::new("migrate").about("Make the database ready").arg(flag("plan", "Only say what would run"))
                .arg(flag("undo", "Take it back: drop the site's tables with all that is in them, and its permissions; Django's tables stay").conflicts_with("plan"))
                .arg(flag("yes", "Do not ask").requires("undo")))
        .subcommand(Command::new("routes").about("List routes: method, path, who may, form token, limit, source"))
        .subcommand(Command::new("settings").about("List settings with their sources; secrets are not shown"))
        .subcommand(user)
        .subcommand(lockout)
        .subcommand(keys)
        .subcommand(backup)
        .subcommand(deploy);
    #[cfg(feature = "adopt")]
    let program = program.subcommand(super::adopt::command());
    own.iter().fold(program, |program, own| {
        program.subcommand(Command::new(own.name).about(own.about))
    })
}

pub(super) fn program_name() -> String {
    let path = std::env::args().next().unwrap_or_default();
    std::path::Path::new(&path)
        .file_stem()
        .map_or_else(|| "site".into(), |name| name.to_string_lossy().into_owned())
}
