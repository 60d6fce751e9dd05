//! Where a ticket stands, and where it may go from there.

use palisade::prelude::*;

/// Where a ticket stands.
#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Somebody of the staff must do something.
    Open,
    /// The customer must answer.
    Waiting,
    /// Done, unless the customer says otherwise.
    Resolved,
    /// Done for good.
    Closed,
}

/// Who wants to move a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The customer whose ticket it is.
    Customer,
    /// Somebody who works here.
    Staff,
}

impl Status {
    /// The states that `side` may move a ticket to.
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

    /// Where a comment of `side` leaves the ticket. `None`: nobody may comment any more.
    pub fn after_comment(self, side: Side) -> Option<Self> {
        match (self, side) {
            (Self::Closed, _) => None,
            (Self::Resolved, Side::Staff) => Some(Self::Resolved),
            (_, Side::Staff) => Some(Self::Waiting),
            (_, Side::Customer) => Some(Self::Open),
        }
    }
}
