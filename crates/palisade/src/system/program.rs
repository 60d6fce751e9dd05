use palisade_crypto::random;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// A program of the machine, run without a shell: [`program!`](crate::program) names it by a literal
/// path. Options are literals, and a value is never taken for one.
///
/// The program gets an empty environment and an empty folder of its own, which is deleted
/// afterwards; it has 30 seconds, and 64 MiB for its output. It is killed with all that it has
/// started.
///
/// ```
/// use palisade::program;
/// use palisade::system::Word;
/// # async fn example(table: &str) -> Result<(), palisade::system::ProgramError> {
/// let dump = program!("/usr/bin/pg_dump").literal("--no-owner").option("--table", table);
/// let finished = dump.run().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "it is not run before `run`"]
#[derive(Debug)]
pub struct Program {
    path: &'static str,
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
    input: Vec<u8>,
    within: Duration,
    most_output: usize,
}

/// An argument that is no option: not empty, without `-` at its beginning and without control
/// characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(String);

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its status.
    pub status: ExitStatus,
    /// Its standard output.
    pub output: Vec<u8>,
    /// Its standard error.
    pub errors: Vec<u8>,
}

/// Why a program did not run to its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProgramError {
    /// It cannot be started, or its folder cannot be made.
    Start(std::io::Error),
    /// It took too long, and was killed.
    TimedOut,
    /// It wrote too much, and was killed.
    TooMuchOutput,
}

/// The program at a path: an absolute one, as a literal.
#[macro_export]
macro_rules! program {
    ($path:literal) => {{
        const PATH: &str = $path;
        const _: () = ::core::assert!(
            !PATH.is_empty() && PATH.as_bytes()[0] == b'/',
            "a program is named by its absolute path"
        );
        $crate::system::Program::__at(PATH)
    }};
    ($($other:tt)*) => {
        ::std::compile_error!(
            "the path of a program is a literal, as in program!(\"/usr/bin/pg_dump\"): \
            a path made at run time could name another program"
        )
    };
}

impl Word {
    /// An argument. `None` for another text.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let is_word =
            !text.is_empty() && !text.starts_with('-') && !text.chars().any(char::is_control);
        is_word.then_some(Self(text))
    }
}

impl Program {
    #[doc(hidden)]
    pub fn __at(path: &'static str) -> Self {
        Self {
            path,
            arguments: Vec::new(),
            variables: Vec::new(),
            input: Vec::new(),
            within: Duration::from_secs(30),
            most_output: 64 * 1024 * 1024,
        }
    }

    /// Adds an argument of the source code, such as an option.
    pub fn literal(mut self, argument: &'static str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds an argument that is no option.
    pub fn arg(mut self, argument: Word) -> Self {
        self.arguments.push(argument.0.into());
        self
    }

    /// Adds a long option with its value, `--name=value`, in one argument.
    ///
    /// # Panics
    /// When the name is no long option.
    pub fn option(mut self, name: &'static str, value: &str) -> Self {
        let is_long = name.len() > 2 && name.starts_with("--") && !name.contains('=');
        assert!(is_long, "{name:?} is no long option: write --name");
        let value = value.replace('\0', "");
        self.arguments.push(format!("{name}={value}").into());
        self
    }

    /// Sets a variable of its environment, which is empty otherwise.
    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Sets its standard input, which is empty otherwise.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets its time, which is 30 seconds otherwise.
    pub fn within(mut self, time: Duration) -> Self {
        self.within = time;
        self
    }

    /// Sets the most bytes of its output, which are 64 MiB otherwise.
    pub fn most_output(mut self, bytes: usize) -> Self {
        self.most_output = bytes;
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// See [`ProgramError`]; a status other than 0 is none.
    pub async fn run(self) -> Result<Finished, ProgramError> {
        let folder = EmptyFolder::new().map_err(ProgramError::Start)?;
        let mut command = Command::new(self.path);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.variables.iter().cloned())
            .current_dir(&folder.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().map_err(ProgramError::Start)?;
        let mut running = Running(child);
        let finished = tokio::time::timeout(self.within, running.finish(&self)).await;
        finished.unwrap_or(Err(ProgramError::TimedOut))
    }
}

/// A running program. It is killed with its group when it is dropped before its end.
struct Running(Child);

impl Running {
    async fn finish(&mut self, program: &Program) -> Result<Finished, ProgramError> {
        let (stdin, stdout, stderr) = (
            self.0.stdin.take(),
            self.0.stdout.take(),
            self.0.stderr.take(),
        );
        let write = async {
            if let Some(mut stdin) = stdin {
                // a program that does not read its input ends without it
                let _ = stdin.write_all(&program.input).await;
            }
        };
        let most = program.most_output;
        let ((), output, errors) = tokio::join!(write, read(stdout, most), read(stderr, most));
        let (output, errors) = (output?, errors?);
        let status = self.0.wait().await.map_err(ProgramError::Start)?;
        Ok(Finished {
            status,
            output,
            errors,
        })
    }
}

async fn read(
    stream: Option<impl AsyncRead + Unpin>,
    most: usize,
) -> Result<Vec<u8>, ProgramError> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let mut stream = stream.take(most as u64 + 1);
        stream
            .read_to_end(&mut bytes)
            .await
            .map_err(ProgramError::Start)?;
    }
    match bytes.len() > most {
        true => Err(ProgramError::TooMuchOutput),
        false => Ok(bytes),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // none after its end; the programs that it has started are killed with it
        let group = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = group.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// A folder that is deleted with its content.
struct EmptyFolder(PathBuf);

impl EmptyFolder {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("palisade-{}", random::nonce()));
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for EmptyFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl fmt::Display for ProgramError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(out, "the program cannot be run: {error}"),
            Self::TimedOut => out.write_str("the program took too long, and was killed"),
            Self::TooMuchOutput => out.write_str("the program wrote too much, and was killed"),
        }
    }
}

impl std::error::Error for ProgramError {}
