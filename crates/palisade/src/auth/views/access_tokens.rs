use crate::auth::{AccessToken, Accounts, NewAccessToken, TokenEnd, User, Visitor};
use crate::forms::{Form, Json, Line, Many, Number, Text, Token};
use crate::http::{Networks, redirect_to};
use crate::sessions::MessageLevel;
use crate::views::{Page, Result};
use axum::response::Response;
use chrono::DateTime;
use http::StatusCode;
use palisade_macros::{Form, JsonBody};
use palisade_template::{Value, context};
use serde::Deserialize;

const PAGE: &str = "/account/tokens";
const TEMPLATE: &str = "account/tokens.html";

#[derive(Form)]
pub(crate) struct NewToken {
    #[form(help = "The program or the machine that uses it.")]
    name: Line<100>,
    scopes: Many<Line<100>, 50>,
    #[form(label = "Days", help = "It ends after so many days.")]
    days: Number<1, 366>,
    #[form(
        label = "Networks",
        help = "Addresses or networks that may use it, one per line, such as 192.0.2.0/24. Empty: all."
    )]
    networks: Option<Text<2000>>,
}

#[derive(Form)]
pub(crate) struct EndToken {
    id: Number<1, { i32::MAX as i64 }>,
}

/// A token, reported by its finder.
#[derive(Deserialize, JsonBody)]
pub(crate) struct FoundToken {
    token: Token<100>,
}

/// `GET /account/tokens`: the user's tokens, and the form of a new one.
pub(crate) async fn show(page: Page, visitor: Visitor, user: User) -> Result<Response> {
    let values = values(visitor.accounts(), &user, &[]).await?;
    let start = [("days", "30".to_owned())];
    let form = Form::<NewToken>::filled_without(start, Some("scopes"));
    page.render(TEMPLATE, context! { form, ..values }).await
}

/// `POST /account/tokens`: makes a token, which is shown on this page and never again.
pub(crate) async fn make(
    page: Page,
    visitor: Visitor,
    user: User,
    form: Form<NewToken>,
) -> Result<Response> {
    let accounts = visitor.accounts();
    let (new, invalid) = form.into_parts();
    let invalid = invalid.without(Some("scopes"));
    let values = values(accounts, &user, invalid.inputs("scopes")).await?;
    let Some(new) = new else {
        return Err(invalid.show_with(TEMPLATE, values).await);
    };
    if let Some((field, error)) = objection(accounts, &new) {
        return Err(invalid
            .error(field, error)
            .show_with(TEMPLATE, values)
            .await);
    }
    let scopes: Vec<&str> = new.scopes.iter().map(|scope| &**scope).collect();
    let wanted = NewAccessToken {
        name: &new.name,
        scopes: &scopes,
        days: u32::try_from(new.days.get()).unwrap_or(1),
        networks: new.networks.as_deref().unwrap_or_default(),
    };
    match accounts
        .make_access_token((&visitor, &user), &wanted)
        .await?
    {
        Ok(token) => {
            let values = context! { token => token.expose(), name => new.name.to_string() };
            page.render("account/token.html", values).await
        }
        Err(refusal) => {
            let invalid = invalid.general_error(refusal);
            Err(invalid.show_with(TEMPLATE, values).await)
        }
    }
}

/// The field and the error of a token that the site does not allow.
fn objection(accounts: &Accounts, new: &NewToken) -> Option<(&'static str, String)> {
    let rules = &accounts.access_tokens;
    let is_known = |name: &str| rules.scopes.iter().any(|scope| scope.name == name);
    if new.scopes.is_empty() || !new.scopes.iter().all(|name| is_known(name)) {
        return Some(("name", "Choose at least one scope of the list.".into()));
    }
    if new.days.get() > i64::from(rules.most_days) {
        let most = rules.most_days;
        return Some(("days", format!("A token ends after {most} days at most.")));
    }
    let networks = Networks::read(new.networks.as_deref().unwrap_or_default());
    let error = networks.err()?;
    Some(("networks", format!("Enter addresses or networks: {error}.")))
}

/// `POST /account/tokens/end`: ends one of them.
pub(crate) async fn end(visitor: Visitor, user: User, form: Form<EndToken>) -> Result<Response> {
    let id = form.valid()?.id.get();
    let which = (user.id, i32::try_from(id).ok());
    let ended = visitor
        .accounts()
        .end_access_tokens(which, TokenEnd::ByOwner);
    let said = match ended.await? {
        0 => "There was no such token.",
        _ => "The token has ended.",
    };
    visitor
        .session()
        .message(MessageLevel::Success, said)
        .await?;
    Ok(redirect_to(PAGE))
}

/// `POST /account/tokens/found`: ends the token of a report. The response is the same for all
/// tokens.
pub(crate) async fn found(visitor: Visitor, Json(found): Json<FoundToken>) -> Result<StatusCode> {
    let ended = visitor
        .accounts()
        .end_exposed_token(&found.token, TokenEnd::Found);
    ended.await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn values(accounts: &Accounts, user: &User, chosen: &[String]) -> Result<Value> {
    let now = accounts.now().timestamp();
    let all = accounts.access_tokens_of(user.id).await?;
    let bindings = accounts.token_bindings(user.id).await?;
    let bindings = bindings.map_or(Vec::new(), |(_, bindings)| bindings);
    let shown = |token: &AccessToken| as_context(token, (&bindings, now));
    let tokens: Vec<Value> = all.iter().map(shown).collect();
    let scopes = accounts.access_tokens.scopes.iter();
    let scopes = scopes.map(|scope| {
        let is_chosen = chosen.iter().any(|name| name == scope.name);
        context! { name => scope.name, label => scope.label, is_chosen }
    });
    let most_days = accounts.access_tokens.most_days;
    Ok(context! { tokens, most_days, scopes => scopes.collect::<Vec<_>>() })
}

fn as_context(token: &AccessToken, (bindings, now): (&[String], i64)) -> Value {
    let day = |at: i64| {
        let at = DateTime::from_timestamp(at, 0);
        at.map(|at| at.format("%-d %B %Y").to_string())
    };
    let used = match (token.used.and_then(day), &token.used_from) {
        (Some(day), Some(from)) => format!("{day}, from {from}"),
        _ => "never".to_owned(),
    };
    let state = match &token.why {
        Some(why) => why.clone(),
        None if token.expires <= now => "expired".to_owned(),
        None if !bindings.contains(&token.bound_to) => {
            "ended with your password or your sessions".to_owned()
        }
        None => String::new(),
    };
    context! {
        id => token.id, name => token.name.clone(), shown => token.shown.clone(), scopes => token.scopes.clone(),
        expires => day(token.expires), used, state, networks => token.networks.clone(),
    }
}
