//! Files and programs of the machine, without a way for input to name another one: [`Folder`] and
//! [`FileName`] in place of paths, [`Program`] in place of a shell (F078, ASVS 1.2.5, 5.3.2).

mod file_name;
mod folder;
mod program;
mod workers;

pub use file_name::FileName;
pub use folder::Folder;
pub(crate) use workers::{Priority, Workers};

pub use program::{Finished, Program, ProgramError, Word};
