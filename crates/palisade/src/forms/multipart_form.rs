//! Reads a form with files, part by part: text into memory, files to where they are held.

use super::errors::{about, too_long, unreadable};
use super::files::{FileReceiver, FileShape, most_file_bytes};
use super::group_names::field_of;
use super::input::{Values, check_repeated};
use super::json::limits;
use super::{FieldSpec, Multipart, Part, most_bytes};
use crate::http::BodyAllowance;
use crate::views::{Error, Result};
use axum::extract::{FromRequest, Request};
use http::Extensions;

/// A form that was sent: text and descriptions of files, and sentences about refused files.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) values: Values,
    pub(super) refused: Vec<(&'static str, String)>,
    /// Fields of files that were sent, refused ones too.
    tried: Vec<&'static str>,
    /// Fields and descriptions of files.
    received: Vec<(&'static str, String)>,
    held: Vec<(&'static str, String)>,
}

impl Sent {
    /// Adds the files to the values: a new file takes the place of a held one, unless the field has
    /// several.
    fn add_files(&mut self, fields: &[FieldSpec]) {
        let of = |files: &[(&'static str, String)], name: &str| -> Vec<String> {
            let own = files.iter().filter(|(field, _)| *field == name);
            own.map(|(_, file)| file.clone()).collect()
        };
        for field in fields.iter().filter(|field| field.shape.file.is_some()) {
            let (mut held, new) = (of(&self.held, field.name), of(&self.received, field.name));
            if !field.shape.is_many && !new.is_empty() {
                held.clear();
            }
            held.extend(new);
            if !held.is_empty() {
                self.values.insert(field.name.to_owned(), held);
            }
        }
    }
}

/// A sentence for a file that was not sent with its form.
const AGAIN: &str = "The file was not sent. Please choose it again.";
/// A sentence for a file that is not held any more.
const GONE: &str = "The file was kept for an hour only. Please choose it again.";

/// Reads a form with fields of files.
pub(super) async fn read_multipart(request: Request, fields: &[FieldSpec]) -> Result<Sent> {
    let receiver = FileReceiver::of(request.extensions());
    let receiver =
        receiver.ok_or_else(|| Error::bug("there is no storage: routes must be served by App"))?;
    let most = most_bytes(fields).max(limits(&request)?.form_bytes);
    if let Some(allowance) = request.extensions().get::<BodyAllowance>() {
        let (form, time) = receiver.0.limits();
        let wanted = most_file_bytes(fields).saturating_add(most as u64);
        allowance.raise(wanted.min(form), time);
    }
    let reader = Reader {
        fields,
        receiver,
        request: request.extensions().clone(),
    };
    reader
        .read(Multipart::from_request(request, &()).await?, most)
        .await
}

struct Reader<'a> {
    fields: &'a [FieldSpec],
    receiver: FileReceiver,
    request: Extensions,
}

impl Reader<'_> {
    async fn read(&self, mut parts: Multipart, most: usize) -> Result<Sent> {
        let (mut sent, mut left) = (Sent::default(), most);
        while let Some(mut part) = parts.next().await? {
            let name = part.name().to_owned();
            match self.file_field(&name) {
                Some(file) if part.file_name().is_some() => {
                    self.receive(&mut part, file, &mut sent).await?
                }
                file => {
                    let text = self.text(part, &name, left).await?;
                    left = left.saturating_sub(name.len() + text.len());
                    match file {
                        Some(file) => self.take_held(&text, file, &mut sent).await?,
                        None => sent.values.entry(name).or_default().push(text),
                    }
                }
            }
        }
        sent.add_files(self.fields);
        check_repeated(&sent.values, self.fields).map_err(unreadable)?;
        Ok(sent)
    }

    fn file_field(&self, name: &str) -> Option<(&'static str, FileShape)> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        Some((field.name, field.shape.file?))
    }

    async fn text(&self, part: Part<'_>, name: &str, left: usize) -> Result<String> {
        let mut fields = self.fields.iter();
        if !fields.any(|field| field.name == name || field_of(field, name).is_some()) {
            return Err(about(name, "The form has an unknown field."));
        }
        if part.file_name().is_some() {
            return Err(about(name, "The form has a file in a field of text."));
        }
        if name.len() > left {
            return Err(too_long());
        }
        part.text(left - name.len()).await
    }

    async fn receive(
        &self,
        part: &mut Part<'_>,
        field: (&'static str, FileShape),
        sent: &mut Sent,
    ) -> Result<()> {
        // a browser sends an empty file for a field in which none was chosen
        if part.file_name() == Some("") {
            while let Some(piece) = part.chunk().await? {
                if !piece.is_empty() {
                    return Err(about(field.0, "The form has a file without a name."));
                }
            }
            return Ok(());
        }
        let mut fields = self.fields.iter();
        let most = fields.find(|one| one.name == field.0);
        let most = most.map_or(1, |one| one.shape.max_count);
        if sent.tried.iter().filter(|name| **name == field.0).count() >= most {
            return Err(about(field.0, "The form has too many files."));
        }
        sent.tried.push(field.0);
        match self.receiver.0.receive(&self.request, part, field).await? {
            Ok(file) => sent.received.push((field.0, serde_json::to_string(&file)?)),
            Err(refusal) => sent.refused.push((field.0, refusal)),
        }
        Ok(())
    }

    async fn take_held(
        &self,
        token: &str,
        field: (&'static str, FileShape),
        sent: &mut Sent,
    ) -> Result<()> {
        if token.is_empty() {
            return Ok(());
        }
        match self.receiver.0.held(&self.request, token, field).await? {
            Some(file) => sent.held.push((field.0, serde_json::to_string(&file)?)),
            None => sent.refused.push((field.0, GONE.into())),
        }
        Ok(())
    }
}

/// Whether the body is a form with parts.
pub(super) fn is_multipart(request: &Request) -> bool {
    super::start::multipart_type(request.headers()).is_some()
}

/// A url-encoded form, such as one that was kept while its user logged in again. A value in place of a
/// file is no description of one: the file must be chosen again, and nothing else is lost.
pub(super) fn without_files(mut values: Values, fields: &[FieldSpec]) -> Sent {
    let mut refused = Vec::new();
    for field in fields.iter().filter(|field| field.shape.file.is_some()) {
        let sent = values.remove(field.name).unwrap_or_default();
        if sent.iter().any(|value| !value.is_empty()) {
            refused.push((field.name, AGAIN.to_owned()));
        }
    }
    Sent {
        values,
        refused,
        ..Sent::default()
    }
}
