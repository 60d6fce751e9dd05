//! `helpdesk seed`: example data.

use crate::status::Status;
use crate::{comment, ticket};
use palisade::auth::{NewUser, Rank};
use palisade::crypto::{Secret, random};
use palisade::entity::*;
use palisade::prelude::*;
use std::sync::Arc;

const CUSTOMERS: [&str; 4] = ["nora.lind", "tomas.weber", "aiko.mori", "samuel.okafor"];
const STAFF: [&str; 2] = ["desk.ines", "desk.piet"];
/// Status, subject and text, a ticket on each line.
const TICKETS: &str = include_str!("demo.txt");
const ANSWER: &str = "Thank you, we have looked into it. Please tell us whether it is right now.";

/// Creates customers, staff and tickets, once.
pub async fn seed(site: Arc<Site>) -> Result<String> {
    let db = site.database().handle();
    if ticket::Entity::find().count(&db).await? > 0 {
        return Ok("there are tickets already: nothing was added\n".into());
    }
    let password: Secret<String> = random::alphanumeric(20);
    let (mut customers, mut staff) = (Vec::new(), Vec::new());
    for name in CUSTOMERS {
        customers.push(account(&site, (name, Rank::Plain), &password).await?);
    }
    for name in STAFF {
        staff.push(account(&site, (name, Rank::Staff), &password).await?);
    }
    for (index, line) in TICKETS.lines().cycle().take(32).enumerate() {
        let mut parts = line.splitn(3, '|').map(str::to_owned);
        let [status, subject, body] = [(); 3].map(|()| parts.next().unwrap_or_default());
        let new = ticket::ActiveModel {
            subject: Set(subject),
            body: Set(body),
            ..Default::default()
        };
        let customer = &customers[index % customers.len()];
        let opened = ticket::open(&db, customer, (new, None)).await?;
        if let Some(status) = Status::from_code(&status).filter(|status| *status != Status::Open) {
            answer(&db, &opened, &staff[index % staff.len()], status).await?;
        }
    }
    let password = password.expose();
    Ok(format!(
        "made {} customers, {} staff and 32 tickets; the password of all of them is {password}\n",
        CUSTOMERS.len(),
        STAFF.len(),
    ))
}

async fn account(
    site: &Site,
    (username, rank): (&str, Rank),
    password: &Secret<String>,
) -> Result<Actor> {
    let new = NewUser {
        username,
        email: &format!("{username}@example.org"),
        password: password.expose(),
        rank,
    };
    let made = site.accounts().sign_up(new).await;
    let user = made.map_err(|error| Error::bug(format!("{username}: {error:?}")))?;
    site.actor(&user).await
}

async fn answer(db: &Db, opened: &ticket::Model, agent: &Actor, status: Status) -> Result<()> {
    let staff = agent.user().ok_or_else(Error::forbidden)?;
    let change = ticket::ActiveModel {
        status: Set(status.code().into()),
        assignee_id: Set(Some(staff.id)),
        assignee_name: Set(Some(staff.username.clone())),
        ..Default::default()
    };
    db.write(async |tx| {
        comment::write(tx, agent, opened.id, ANSWER.into()).await?;
        ticket::change(agent.row(opened.id), tx, opened.version, change).await
    })
    .await
}
