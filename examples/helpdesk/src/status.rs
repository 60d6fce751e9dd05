//! Status of a ticket, and its allowed changes.

use palisade::prelude::*;

/// Status of a ticket.
#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Waits for staff.
    Open,
    /// Waits for the customer.
    Waiting,
    /// Solved, unless the customer reopens it.
    Resolved,
    /// Closed for good.
    Closed,
}

/// Role of a user towards a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The customer who opened it.
    Customer,
    /// A member of staff.
    Staff,
}

impl Status {
    /// The statuses to which `side` may change a ticket.
    pub fn next(self, side: Side) -> &'static [Self] {
        match (self, side) {
            (Self::Open, Side::Staff) => &[Self::Waiting, Self::Resolved, Self::Closed],
            (Self::Waiting, Side::Staff) => &[Self::Open, Self::Resolved, Self::Closed],
            (Self::Resolved, Side::Staff) => &[Self::Open, Self::Closed],
            (Self::Open | Self::Waiting, Side::Customer) => &[Self::Resolved],
            (Self::Resolved, Side::Customer) => &[Self::Open],
            (Self::Closed, _) => &[],
        }
    }

    /// Status after a comment of `side`. `None`: no further comments are allowed.
    pub fn after_comment(self, side: Side) -> Option<Self> {
        match (self, side) {
            (Self::Closed, _) => None,
            (Self::Resolved, Side::Staff) => Some(Self::Resolved),
            (_, Side::Staff) => Some(Self::Waiting),
            (_, Side::Customer) => Some(Self::Open),
        }
    }
}
