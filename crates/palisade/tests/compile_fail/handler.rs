use palisade::prelude::*;
#[derive(Form)]
pub struct New {
    pub title: Line<10>,
}
async fn create(form: Form<New>, user: User) -> Result<Response> {
    let _ = (form, user);
    Ok(redirect_to("/"))
}
pub fn routes() -> Routes {
    Routes::new().route("/", signed_in().post(create))
}
