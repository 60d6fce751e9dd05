//! Operations on rows.

/// An operation on rows of a resource. Each has a permission, such as `helpdesk.view_ticket`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// See lists and pages.
    View,
    /// Add a row.
    Add,
    /// Change a row.
    Change,
    /// Delete a row: it goes to the bin.
    Delete,
    /// Download rows as a file.
    Export,
    /// Add and change rows from a file.
    Import,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 6] = [
        Self::View,
        Self::Add,
        Self::Change,
        Self::Delete,
        Self::Export,
        Self::Import,
    ];

    /// The word of its permission.
    pub const fn word(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Add => "add",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Export => "export",
            Self::Import => "import",
        }
    }
}
