use std::error::Error;
use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::de::MapAccess;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use crate::display;
use crate::json;
use crate::secret::{Credentials, Secret};
use dray_core::limits;
use dray_ports::HelperFault;

/// Credential helpers as the docker-credential-helpers project defines them: `docker-credential-NAME get` reads a
/// server's name and writes JSON.
pub(super) struct Helpers {
    folders: Vec<PathBuf>,
    patience: Duration,
}

/// What every helper writes for an unknown server, word for word. Only this failure counts as "no credentials".
const NOT_FOUND: &str = "credentials not found in native keychain";

/// Why a helper gave no answer. Never quotes text that may be a secret.
#[derive(Debug)]
pub(super) enum HelperError {
    /// The name is not valid.
    Name,
    /// No directory has the program.
    Missing,
    /// The program cannot be started.
    Start(io::Error),
    /// The program did not end in time.
    Silent(Duration),
    /// The program reported a failure.
    Failed { status: ExitStatus, text: String },
    /// The program wrote too much.
    TooMuch,
    /// The output is not an answer.
    Unreadable,
}

impl Helpers {
    pub(super) fn new(folders: Vec<PathBuf>, patience: Duration) -> Self {
        Self { folders, patience }
    }

    /// The credentials that a helper has for a server, if it knows the server. Dropping the future kills the helper
    /// and the processes that it started.
    pub(super) async fn get(&self, name: &str, server: &str) -> Result<Option<Credentials>, HelperError> {
        let program = self.program(name)?;
        tracing::debug!(helper = name, server, "asking a credential helper");
        match tokio::time::timeout(self.patience, ask(&program, server)).await {
            Ok(answer) => answer,
            Err(_) => Err(HelperError::Silent(self.patience)),
        }
    }

    fn program(&self, name: &str) -> Result<PathBuf, HelperError> {
        // A path in place of a name would let a configuration file run any program.
        if name.contains(['/', '\0']) {
            return Err(HelperError::Name);
        }
        let file = format!("docker-credential-{name}");
        // A relative directory would make the answer depend on the working directory.
        let folders = self.folders.iter().filter(|folder| folder.is_absolute());
        folders.map(|folder| folder.join(&file)).find(|path| is_program(path)).ok_or(HelperError::Missing)
    }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

async fn ask(program: &Path, server: &str) -> Result<Option<Credentials>, HelperError> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Many helpers are scripts. The processes they start are in their group and end with them.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(HelperError::Start)?;
    // Dropped before the child: until the child is dropped, its process id is not reused.
    let group = Group::of(&child);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let question = async {
        if let Some(mut stdin) = stdin {
            // A helper that does not read its input has ended or will end. Its exit says more than this error.
            let _ = stdin.write_all(server.as_bytes()).await;
        }
        Ok(())
    };
    let ((), answer, complaint) =
        tokio::try_join!(question, read(stdout, Excess::Refused), read(stderr, Excess::Dropped))?;
    let status = child.wait().await.map_err(HelperError::Start)?;
    group.leave();
    if status.success() {
        return parse(&answer);
    }
    // By the protocol the reason of a failure goes to standard output; some programs write it to standard error.
    let texts = [answer, complaint].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    if texts.iter().any(|text| text == NOT_FOUND) {
        return Ok(None);
    }
    let text = texts.iter().find(|text| !text.is_empty()).map(|text| display::text(text));
    Err(HelperError::Failed { status, text: text.unwrap_or_default() })
}

/// The processes of a helper. Dropping this kills them.
struct Group(Option<Pid>);

impl Group {
    /// The process group of a leader.
    fn of(leader: &Child) -> Self {
        Self(leader.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)))
    }

    /// The helper ended by itself. Processes that it left running, such as an agent for a keychain, are meant to
    /// stay.
    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Fails only if no process of the group runs any more.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// What to do with bytes beyond the limit.
#[derive(PartialEq)]
enum Excess {
    Refused,
    Dropped,
}

async fn read(pipe: Option<impl AsyncRead + Unpin>, excess: Excess) -> Result<Vec<u8>, HelperError> {
    let Some(mut pipe) = pipe else { return Ok(Vec::new()) };
    let mut kept = Vec::new();
    let mut bounded = (&mut pipe).take(limits::CREDENTIAL_HELPER_BYTES + 1);
    bounded.read_to_end(&mut kept).await.map_err(HelperError::Start)?;
    if kept.len() as u64 > limits::CREDENTIAL_HELPER_BYTES {
        if excess == Excess::Refused {
            return Err(HelperError::TooMuch);
        }
        // Without a reader the helper would block.
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await.map_err(HelperError::Start)?;
    }
    Ok(kept)
}

/// An answer without a secret, or an empty one, means that the helper has no credentials.
fn parse(answer: &[u8]) -> Result<Option<Credentials>, HelperError> {
    let Answer { username, secret } = json::object(answer).map_err(|_| HelperError::Unreadable)?;
    Ok(Credentials::of_user(username.into_bytes(), Secret::new(secret)))
}

#[derive(Default)]
struct Answer {
    username: String,
    secret: String,
}

impl json::Object for Answer {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, _: &str, value: &mut A) -> Result<(), A::Error> {
        match name {
            "username" => json::take(&mut self.username, value),
            "secret" => json::take(&mut self.secret, value),
            _ => json::skip(value),
        }
    }
}

impl HelperError {
    /// Whether the failure would be the same for every server.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, Self::Name | Self::Missing | Self::Start(_) | Self::Silent(_) | Self::TooMuch)
    }

    pub(super) fn fault(&self) -> HelperFault {
        match self {
            Self::Name => HelperFault::Name,
            Self::Missing => HelperFault::Missing,
            Self::Silent(_) => HelperFault::Silent,
            Self::Start(_) | Self::Failed { .. } | Self::TooMuch | Self::Unreadable => HelperFault::Failed,
        }
    }
}

impl fmt::Display for HelperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("a name with `/` in it is not that of a helper"),
            Self::Missing => f.write_str("there is no such program in the folders of `PATH`"),
            Self::Start(_) => f.write_str("it cannot be run"),
            Self::Silent(patience) => write!(f, "it has not ended within {} s", patience.as_secs_f32()),
            Self::Failed { status, text } if text.is_empty() => write!(f, "it ended with {status}"),
            Self::Failed { text, .. } => write!(f, "it says: {text}"),
            Self::TooMuch => {
                write!(f, "it wrote more than the {} bytes that are read", limits::CREDENTIAL_HELPER_BYTES)
            }
            Self::Unreadable => f.write_str("its answer is not JSON with `Username` and `Secret`"),
        }
    }
}

impl Error for HelperError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Start(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_of_helpers_are_read() {
        let password = |user: &str| {
            Some(Credentials::Password { user: user.as_bytes().to_vec(), password: Secret::new("s") })
        };
        for (answer, expected) in [
            (r#"{"ServerURL":"h","Username":"ann","Secret":"s"}"#, password("ann")),
            (r#"{"username":"ann","secret":"s"}"#, password("ann")),
            ("{\"SECRET\":\"s\",\"Username\":\"ann\",\"Expires\":1e400}\nlogged in", password("ann")),
            (r#"{"Secret":"s"}"#, password("")),
            (r#"{"Username":"<token>","Secret":"s"}"#, Some(Credentials::IdentityToken(Secret::new("s")))),
            (r#"{"ServerURL":"h","Username":"","Secret":""}"#, None),
            (r#"{"Username":"hunter2"}"#, None),
            (r#"{"Username":null,"Secret":null}"#, None),
            ("{}", None),
            ("null", None),
            ("\n", None),
            ("", None),
        ] {
            assert_eq!(parse(answer.as_bytes()).unwrap(), expected, "{answer}");
        }
        for garbage in
            ["hunter2", "\"hunter2\"", r#"{"Secret":["hunter2"]}"#, r#"["hunter2"]"#, r#"{"hunter2""#]
        {
            let error = parse(garbage.as_bytes()).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("hunter2"), "{garbage}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_answers_do_not_panic(answer in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&answer);
        }
    }
}
