//! The contact form.

use palisade::prelude::*;

/// Receives the messages.
const DESK: &str = "desk@example.org";

#[derive(Form)]
pub struct Contact {
    email: Email,
    #[form(label = "Your message")]
    text: Text<2_000>,
}

/// `POST /contact`
pub async fn send(db: Db, mail: MailQueue, flash: Flash, form: Form<Contact>) -> Result<Response> {
    let contact = form.valid_or_show("contact.html").await?;
    let values = context! { text => &*contact.text };
    let message = mail.render(DESK, "mail/contact.html", values)?;
    let message = message.reply_to(contact.email);
    db.write(async |tx| mail.send(tx, &message).await).await?;
    flash.success("Thank you. We answer within a day.").await?;
    Ok(redirect_to("/contact"))
}
