//! Login: attempts and their lockout, second factors, known devices, mailed codes, and the sessions
//! of users.

pub(in crate::auth) mod authenticate;
pub(in crate::auth) mod django_factors;
pub(in crate::auth) mod email_code;
pub(in crate::auth) mod epoch;
pub(in crate::auth) mod guard;
pub(in crate::auth) mod known_devices;
pub(in crate::auth) mod lockout;
pub(in crate::auth) mod locks;
pub(in crate::auth) mod methods;
pub(in crate::auth) mod pending_login;
pub(in crate::auth) mod second_factor;
pub(in crate::auth) mod session_binding;
pub(in crate::auth) mod sessions;
pub(in crate::auth) mod source;
pub(in crate::auth) mod unsent_forms;
pub(in crate::auth) mod user_agent;
pub(in crate::auth) mod viewing;
