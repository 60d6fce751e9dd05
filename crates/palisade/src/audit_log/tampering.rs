use std::fmt;

/// The kind and place of the first change that the site did not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tampering {
    Edited(i64),
    Removed {
        from: i64,
        to: i64,
    },
    Moved(i64),
    Inserted(i64),
    CutAtStart {
        from: i64,
        to: i64,
    },
    CutAtEnd {
        from: i64,
        to: i64,
    },
    /// With the site's key: a checkpoint has another link than the table.
    Rewritten {
        from: i64,
        to: i64,
    },
    HeadMissing,
    HeadChanged,
    /// The writer found the head, or a row of the inbox, damaged.
    Noted(i64),
    PersonEdited(i64),
    PeopleRemoved {
        missing: i64,
        erased: i64,
    },
    InboxWaiting(i64),
}

impl fmt::Display for Tampering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited(seq) => write!(f, "entry {seq} was edited"),
            Self::Removed { from, to } => write!(f, "entries {from} to {to} were removed"),
            Self::Moved(seq) => write!(f, "entry {seq} was moved"),
            Self::Inserted(seq) => write!(f, "entry {seq} was inserted"),
            Self::CutAtStart { from, to } => {
                write!(f, "cut at the start: entries {from} to {to} are gone")
            }
            Self::CutAtEnd { from, to } => {
                write!(f, "cut at the end: entries {from} to {to} are gone")
            }
            Self::Rewritten { from, to } => write!(
                f,
                "rewritten with the site's key, which was stolen: entries from {from} on differ \
                    from the checkpoint of {to}"
            ),
            Self::HeadMissing => f.write_str("the head is missing"),
            Self::HeadChanged => f.write_str("the head was changed"),
            Self::Noted(seq) => write!(
                f,
                "entry {seq} notes that the head, or a waiting record, had been changed"
            ),
            Self::PersonEdited(seq) => write!(f, "the personal part of entry {seq} was edited"),
            Self::PeopleRemoved { missing, erased } => write!(
                f,
                "{missing} personal parts are gone, but only {erased} were erased by the site"
            ),
            Self::InboxWaiting(id) => write!(
                f,
                "row {id} of the inbox has waited for more than a minute: no site runs, or the row \
                    is not the site's"
            ),
        }
    }
}

impl Tampering {
    /// Its kind, for programs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Edited(_) => "edited",
            Self::Removed { .. } => "removed",
            Self::Moved(_) => "moved",
            Self::Inserted(_) => "inserted",
            Self::CutAtStart { .. } => "cut_at_start",
            Self::CutAtEnd { .. } => "cut_at_end",
            Self::Rewritten { .. } => "rewritten",
            Self::HeadMissing => "head_missing",
            Self::HeadChanged => "head_changed",
            Self::Noted(_) => "noted",
            Self::PersonEdited(_) => "person_edited",
            Self::PeopleRemoved { .. } => "people_removed",
            Self::InboxWaiting(_) => "inbox_waiting",
        }
    }

    /// The first entry that it concerns.
    pub(crate) fn place(&self) -> Option<i64> {
        match self {
            Self::Edited(seq)
            | Self::Moved(seq)
            | Self::Inserted(seq)
            | Self::Noted(seq)
            | Self::PersonEdited(seq)
            | Self::Removed { from: seq, .. }
            | Self::CutAtStart { from: seq, .. }
            | Self::CutAtEnd { from: seq, .. }
            | Self::Rewritten { from: seq, .. } => Some(*seq),
            _ => None,
        }
    }
}
