//! `use palisade::prelude::*;` imports everything that most files of a site need. A file with an entity
//! adds `use palisade::entity::*;`.

pub use crate::admin::Admin;
pub use crate::api::Schema;
pub use crate::app::{App, Job, Jobs, PageRequest, Reason, Routes, Settings, Site, resource};
pub use crate::auth::{PersonalRows, User, Visitor};
pub use crate::context;
pub use crate::db::{Db, Tx, contains};
pub use crate::encrypted_fields::{BlindIndex, Encrypted};
pub use crate::forms::{
    Choice, Day, Email, Form, FormView, Json, Line, Many, Moment, Money, Multipart, Number,
    Password, Query, RowForm, Text, Token, Username, WebUrl, show_form, show_template,
};
pub use crate::http::redirect_to;
pub use crate::mail::{Mail, MailQueue};
pub use crate::path;
pub use crate::permissions::{
    Actor, Allowed, AllowedRows, Caller, Change, Delete, Labelled, Permission, Pick, Role, Rows,
    Scoped, Verb, can, member_of, public, signed_by, signed_in, staff, token, when,
};
pub use crate::sessions::{Flash, MessageLevel, Session};
pub use crate::sql;
pub use crate::tasks::{JobRun, Schedule};
pub use crate::throttle::{By, Limit};
#[cfg(feature = "images")]
pub use crate::uploads::Picture;
pub use crate::uploads::{MIB, StoredFile, Upload};
pub use crate::views::{Error, ErrorKind, Now, Or404, Page, Paging, Path, Result};
pub use axum::response::{IntoResponse, Response};
pub use palisade_macros::{
    Admin, Choice, Columns, EncryptedFields, Form, JsonBody, Permission, Resource, Schema,
    debug_handler, include_static, include_templates,
};
pub use palisade_template::{Serde, Value};
pub use sea_orm;
pub use std::process::ExitCode;
