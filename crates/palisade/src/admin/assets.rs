//! Templates, styles and script of the pages.

use crate::static_files::StaticFiles;
use palisade_template::Layer;

/// The templates; a site's template of the same name takes precedence.
pub(crate) fn templates() -> Layer {
    Layer::embedded(&[
        ("admin/frame.html", include_str!("templates/frame.html")),
        ("admin/home.html", include_str!("templates/home.html")),
        ("admin/list.html", include_str!("templates/list.html")),
        ("admin/row.html", include_str!("templates/row.html")),
        ("admin/add.html", include_str!("templates/add.html")),
        ("admin/confirm.html", include_str!("templates/confirm.html")),
        ("admin/delete.html", include_str!("templates/delete.html")),
        (
            "admin/changes_macro.html",
            include_str!("templates/changes_macro.html"),
        ),
        ("admin/history.html", include_str!("templates/history.html")),
        ("admin/changes.html", include_str!("templates/changes.html")),
        ("admin/bin.html", include_str!("templates/bin.html")),
        (
            "admin/proposals.html",
            include_str!("templates/proposals.html"),
        ),
        (
            "admin/proposal.html",
            include_str!("templates/proposal.html"),
        ),
        ("admin/export.html", include_str!("templates/export.html")),
        ("admin/ask.html", include_str!("templates/ask.html")),
        ("admin/access.html", include_str!("templates/access.html")),
        (
            "admin/access_macro.html",
            include_str!("templates/access_macro.html"),
        ),
        ("admin/members.html", include_str!("templates/members.html")),
        ("admin/locks.html", include_str!("templates/locks.html")),
        ("admin/files.html", include_str!("templates/files.html")),
        ("admin/mail.html", include_str!("templates/mail.html")),
        ("admin/import.html", include_str!("templates/import.html")),
        (
            "admin/import_check.html",
            include_str!("templates/import_check.html"),
        ),
        ("admin/audit.html", include_str!("templates/audit.html")),
    ])
}

/// The stylesheet and the script.
pub(crate) fn files() -> StaticFiles {
    StaticFiles::embedded(&[
        ("admin.css", include_bytes!("admin.css")),
        ("admin.js", include_bytes!("admin.js")),
    ])
}
