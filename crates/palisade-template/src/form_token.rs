//! The CSRF token of forms: printed where a form stays on this site, and nowhere else.

use crate::escape::is_same_site;
use minijinja::{Error, State, Value};

/// Target of the form that is being printed, if a value decided it.
struct FormAction {
    stays: bool,
}

/// The last opened form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OuterForm {
    WithoutToken,
    /// One with a token, or none.
    Other,
}

pub(crate) fn note_action(state: &mut State<'_, '_>, action: &Value) {
    let stays = is_same_site(&action.to_string());
    state.get_or_insert_extension(FormAction { stays }).stays = stays;
}

/// The form's CSRF token, unless it is nested in a form that gets none: browsers would send it with
/// the outer one.
pub(crate) fn token(state: &mut State<'_, '_>) -> Result<Value, Error> {
    let is_within = state
        .get_extension::<OuterForm>()
        .is_some_and(|outer| *outer == OuterForm::WithoutToken);
    match state.lookup("_palisade").filter(|_| !is_within) {
        Some(secrets) => secrets.get_attr("token"),
        None => Ok(Value::from("")),
    }
}

/// The same, unless the value of the form's action is another site.
pub(crate) fn token_if_ours(state: &mut State<'_, '_>) -> Result<Value, Error> {
    // once: a form whose own action was not looked at gets no token
    let stays = state
        .get_extension_mut::<FormAction>()
        .is_some_and(|action| std::mem::take(&mut action.stays));
    if stays {
        token(state)
    } else {
        Ok(note_form(state, OuterForm::WithoutToken))
    }
}

pub(crate) fn note_form(state: &mut State<'_, '_>, form: OuterForm) -> Value {
    *state.get_or_insert_extension(form) = form;
    Value::from("")
}
