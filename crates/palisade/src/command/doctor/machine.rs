//! Facts about the machine, from its files.

use super::Item;
use crate::app::SiteSettings;
use crate::storage::free_bytes;
use rustix::process::{Resource, geteuid, getrlimit};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A machine, below a folder.
pub(super) struct Machine {
    root: PathBuf,
}

const GIB: u64 = 1024 * 1024 * 1024;
/// Open files: connections, the database and static files.
const LEAST_FILES: u64 = 4096;

impl Machine {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.into() }
    }

    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok()
    }

    fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.trim().parse().ok()
    }

    pub(super) fn items(&self) -> Vec<Item> {
        vec![
            self.memory(),
            self.address_space(),
            self.ptrace(),
            self.clock(),
            self.updates(),
            self.restart(),
            self.ssh(),
        ]
    }

    fn memory(&self) -> Item {
        const ID: &str = "memory";
        let text = self.text("proc/meminfo").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kilobytes =
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        match kilobytes.map(|kilobytes| kilobytes * 1024) {
            Some(bytes) if bytes < GIB => Item::bad(
                ID,
                format!(
                    "the machine has {} MB of memory: 1 GB is the least for a site and its database",
                    bytes / 1_000_000
                ),
            ),
            Some(bytes) => Item::good(ID, format!("{} MB", bytes / 1_000_000)),
            None => Item::ask(ID, "Does the machine have 1 GB of memory or more?"),
        }
    }

    fn address_space(&self) -> Item {
        const ID: &str = "aslr";
        match self.number("proc/sys/kernel/randomize_va_space") {
            Some(2) => Item::good(ID, "addresses of programs are random"),
            Some(_) => Item::bad(
                ID,
                "addresses of programs are not random: sysctl kernel.randomize_va_space=2",
            ),
            None => Item::ask(
                ID,
                "Does the system place programs at random addresses (ASLR)?",
            ),
        }
    }

    fn ptrace(&self) -> Item {
        const ID: &str = "ptrace";
        match self.number("proc/sys/kernel/yama/ptrace_scope") {
            Some(0) => Item::bad(
                ID,
                "a program of the same user can read the memory of the site: sysctl kernel.yama.ptrace_scope=1",
            ),
            Some(_) => Item::good(ID, "other programs cannot read the memory of the site"),
            None => Item::ask(
                ID,
                "Does the site have a user of its own, as which nothing else runs?",
            ),
        }
    }

    fn clock(&self) -> Item {
        const ID: &str = "clock";
        let files = [
            "run/systemd/timesync/synchronized",
            "run/chrony/chronyd.pid",
            "run/ntpd.pid",
        ];
        match files.iter().any(|file| self.root.join(file).exists()) {
            true => Item::good(ID, "the clock follows a time server"),
            false => Item::ask(
                ID,
                "Does the clock follow a time server? Authenticator apps, tokens and the audit log need it",
            ),
        }
    }

    fn updates(&self) -> Item {
        const ID: &str = "updates";
        let apt = self
            .text("etc/apt/apt.conf.d/20auto-upgrades")
            .unwrap_or_default();
        let is_on = apt
            .lines()
            .any(|line| line.contains("Unattended-Upgrade") && line.contains("\"1\""));
        let has_dnf = self
            .root
            .join("etc/systemd/system/timers.target.wants/dnf-automatic.timer")
            .exists();
        match (is_on || has_dnf, self.root.join("etc/apt").exists()) {
            (true, _) => Item::good(ID, "security updates are installed by themselves"),
            (false, true) => Item::bad(
                ID,
                "security updates are not installed by themselves: apt install unattended-upgrades",
            ),
            (false, false) => Item::ask(
                ID,
                "Who installs security updates of the system, and within how many days?",
            ),
        }
    }

    fn restart(&self) -> Item {
        const ID: &str = "restart";
        let files = ["run/reboot-required", "var/run/reboot-required"];
        match files.iter().any(|file| self.root.join(file).exists()) {
            true => Item::bad(ID, "an update waits for a restart of the machine"),
            false => Item::good(ID, "no update waits for a restart"),
        }
    }

    fn ssh(&self) -> Item {
        const ID: &str = "ssh";
        let path = "etc/ssh/sshd_config";
        if !self.root.join(path).exists() {
            return Item::good(ID, "there is no SSH server");
        }
        let mut text = self.text(path).unwrap_or_default();
        let parts = std::fs::read_dir(self.root.join("etc/ssh/sshd_config.d"));
        for part in parts.into_iter().flatten().flatten() {
            text = format!(
                "{}\n{text}",
                std::fs::read_to_string(part.path()).unwrap_or_default()
            );
        }
        // the first value counts
        let first = |name: &str| {
            let mut words = text.lines().map(str::split_whitespace);
            words.find_map(|mut line| {
                (line.next()?.eq_ignore_ascii_case(name)).then(|| line.next())?
            })
        };
        match first("PasswordAuthentication") {
            Some(value) if value.eq_ignore_ascii_case("no") => {
                Item::good(ID, "SSH takes keys only")
            }
            _ => Item::bad(
                ID,
                "SSH takes passwords: PasswordAuthentication no in /etc/ssh/sshd_config",
            ),
        }
    }
}

/// Facts about the process of the site and its data.
pub(super) fn own_items(settings: &SiteSettings) -> Vec<Item> {
    vec![user(), files(), dumps(), folder(settings), space(settings)]
}

fn user() -> Item {
    const ID: &str = "user";
    match geteuid().is_root() {
        true => Item::bad(
            ID,
            "this runs as root: run the site as a user of its own, as `deploy config systemd` does",
        ),
        false => Item::good(ID, "not root"),
    }
}

fn files() -> Item {
    const ID: &str = "open-files";
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    match most < LEAST_FILES {
        true => Item::bad(
            ID,
            format!("{most} files may be open: LimitNOFILE=65536 in the unit of the site"),
        ),
        false => Item::good(ID, format!("{most} files may be open")),
    }
}

fn dumps() -> Item {
    const ID: &str = "core-dumps";
    match getrlimit(Resource::Core).current {
        Some(0) => Item::good(ID, "a crash writes no memory to the disk"),
        _ => Item::bad(
            ID,
            "a crash writes the memory with all keys to the disk: LimitCORE=0 in the unit of the site",
        ),
    }
}

fn folder(settings: &SiteSettings) -> Item {
    const ID: &str = "data-folder";
    let data = settings.data();
    let Ok(found) = std::fs::metadata(data) else {
        return Item::bad(ID, format!("{} is not there", data.display()));
    };
    let is_own = found.uid() == geteuid().as_raw();
    match is_own && found.mode() & 0o077 == 0 {
        true => Item::good(
            ID,
            format!("only the user of the site can read {}", data.display()),
        ),
        false => Item::bad(
            ID,
            format!(
                "others can read {}: chmod 700, with the user of the site as owner",
                data.display()
            ),
        ),
    }
}

fn space(settings: &SiteSettings) -> Item {
    const ID: &str = "disk-space";
    let least = settings.uploads.min_free_bytes;
    match free_bytes(settings.data()) {
        Some(free) if free < least.saturating_mul(2) => Item::bad(
            ID,
            format!(
                "{} MB are free on the disk of the data folder, near the limit of {} MB at which no file is accepted",
                free / 1_000_000,
                least / 1_000_000
            ),
        ),
        Some(free) => Item::good(
            ID,
            format!(
                "{} MB are free on the disk of the data folder",
                free / 1_000_000
            ),
        ),
        None => Item::ask(
            ID,
            "Who is told before the disk of the data folder is full?",
        ),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::Verdict;
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Vec<Item>) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let items = Machine::new(root.path()).items();
        (root, items)
    }

    fn verdicts(items: &[Item]) -> Vec<(&str, Verdict)> {
        items.iter().map(|item| (item.id, item.verdict)).collect()
    }

    // F001
    #[test]
    fn a_good_machine_is_good() {
        let (_root, items) = machine(&[
            (
                "proc/meminfo",
                "MemTotal:       24635432 kB\nMemFree: 1 kB\n",
            ),
            ("proc/sys/kernel/randomize_va_space", "2\n"),
            ("proc/sys/kernel/yama/ptrace_scope", "1\n"),
            ("run/systemd/timesync/synchronized", ""),
            (
                "etc/apt/apt.conf.d/20auto-upgrades",
                "APT::Periodic::Unattended-Upgrade \"1\";\n",
            ),
            (
                "etc/ssh/sshd_config",
                "#PasswordAuthentication yes\nPasswordAuthentication no\n",
            ),
        ]);
        assert!(
            items.iter().all(|item| item.verdict == Verdict::Good),
            "{items:?}"
        );
    }

    #[test]
    fn faults_are_found() {
        let (_root, items) = machine(&[
            ("proc/meminfo", "MemTotal:       512000 kB\n"),
            ("proc/sys/kernel/randomize_va_space", "0\n"),
            ("proc/sys/kernel/yama/ptrace_scope", "0\n"),
            ("etc/apt/sources.list", ""),
            ("run/reboot-required", ""),
            ("etc/ssh/sshd_config", "PasswordAuthentication no\n"),
            // the first value counts
            (
                "etc/ssh/sshd_config.d/50-cloud.conf",
                "PasswordAuthentication yes\n",
            ),
        ]);
        let bad = ["memory", "aslr", "ptrace", "updates", "restart", "ssh"];
        for (id, verdict) in verdicts(&items) {
            let expected = if bad.contains(&id) {
                Verdict::Bad
            } else {
                Verdict::Ask
            };
            assert_eq!(verdict, expected, "{id}");
        }
    }

    #[test]
    fn an_unknown_machine_is_asked_about() {
        let (_root, items) = machine(&[]);
        assert!(
            items.iter().all(|item| item.verdict != Verdict::Bad),
            "{items:?}"
        );
    }
}
