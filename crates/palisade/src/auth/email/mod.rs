pub(in crate::auth) mod change;
pub(in crate::auth) mod codes;
pub(in crate::auth) mod email_tokens;
pub(in crate::auth) mod limits;
pub(in crate::auth) mod messages;
pub(in crate::auth) mod notices;
