//! `helpdesk seed`: example data.

use crate::status::Status;
use crate::{comment, ticket};
use palisade::auth::{NewUser, Rank, SignUpError};
use palisade::crypto::{Secret, random};
use palisade::prelude::*;
use sea_orm::{EntityTrait, PaginatorTrait, Set};
use std::sync::Arc;

const CUSTOMERS: [&str; 4] = ["nora.lind", "tomas.weber", "aiko.mori", "samuel.okafor"];
const STAFF: [&str; 2] = ["desk.ines", "desk.piet"];
const TICKETS: [(&str, &str, Status); 8] = [
    (
        "Invoice shows the old address",
        "We moved in March, but the invoice of this month still has Harbour Street 4.",
        Status::Open,
    ),
    (
        "Cannot reset the scanner",
        "Holding the button for ten seconds does nothing.\nThe light stays red.",
        Status::Waiting,
    ),
    (
        "Export of 2025 is empty",
        "I chose the whole year and got a file with headings only.",
        Status::Open,
    ),
    (
        "Two seats too many on our plan",
        "We have eleven people and pay for thirteen.",
        Status::Resolved,
    ),
    (
        "Search finds nothing with an ampersand",
        "Looking for \"Smith & Sons\" gives no result, \"Smith\" does.",
        Status::Open,
    ),
    (
        "Delivery of Tuesday is incomplete",
        "Box 3 of 4 is missing. The note says all were loaded.",
        Status::Waiting,
    ),
    (
        "Printer prints <b> in front of names",
        "Every label starts with <b> since the update.",
        Status::Closed,
    ),
    (
        "How do I add a colleague?",
        "She starts on Monday and needs the same rights as I have.",
        Status::Resolved,
    ),
];

/// Creates customers, staff and tickets, once.
pub async fn seed(site: Arc<Site>) -> Result<String> {
    let db = site.database().handle();
    if ticket::Entity::find().count(&db).await? > 0 {
        return Ok("there are tickets already: nothing was added\n".into());
    }
    let password: Secret<String> = random::alphanumeric(20);
    let (mut customers, mut staff) = (Vec::new(), Vec::new());
    for name in CUSTOMERS {
        customers.push(account(&site, name, Rank::Plain, &password).await?);
    }
    for name in STAFF {
        staff.push(account(&site, name, Rank::Staff, &password).await?);
    }
    for (index, (subject, body, status)) in TICKETS.iter().cycle().take(32).enumerate() {
        let customer = &customers[index % customers.len()];
        let customer = actor(&site, customer).await?;
        let opened = ticket::open(&db, &customer, (*subject).into(), (*body).into()).await?;
        if *status != Status::Open {
            let agent = actor(&site, &staff[index % staff.len()]).await?;
            answer(&db, &opened, &agent, *status).await?;
        }
    }
    Ok(format!(
        "made {} customers, {} staff and 32 tickets; the password of all of them is {}\n",
        CUSTOMERS.len(),
        STAFF.len(),
        password.expose()
    ))
}

async fn account(site: &Site, name: &str, rank: Rank, password: &Secret<String>) -> Result<User> {
    let email = format!("{name}@example.org");
    let new = NewUser {
        username: name,
        email: &email,
        password: password.expose(),
        rank,
    };
    site.accounts()
        .sign_up(new)
        .await
        .map_err(|error| match error {
            SignUpError::Failed(error) => error,
            other => Error::bug(format!("{name} could not be made: {other:?}")),
        })
}

async fn actor(site: &Site, user: &User) -> Result<Actor> {
    site.actor(user).await
}

async fn answer(db: &Db, opened: &ticket::Model, agent: &Actor, status: Status) -> Result<()> {
    let staff = agent.user().ok_or_else(Error::forbidden)?;
    let text = "Thank you, we have looked into it. Please tell us whether it is right now.";
    let change = ticket::ActiveModel {
        status: Set(status.code().into()),
        assignee_id: Set(Some(staff.id)),
        assignee_name: Set(Some(staff.username.clone())),
        ..Default::default()
    };
    db.write(async |tx| {
        comment::write(tx, agent, opened.id, text.into()).await?;
        ticket::change(agent.row(opened.id), tx, opened.version, change).await
    })
    .await
}
