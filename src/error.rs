//! The library's one error type.

use crate::model::CollectionName;

/// A result whose error is milvault's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: every message is one line that names the thing and, where there is one, the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection to the server could be made or kept.
    #[error("cannot reach {server}: {reason}; {}", way_there(.server))]
    Unreachable {
        /// The server's address, without credentials.
        server: String,
        /// What the transport said.
        reason: String,
    },

    /// The server refused the user, the password or the token.
    #[error(
        "{server} does not let us in: {reason}; give the right --user with --password-file, or --token-file, or set \
         MILVAULT_USER and MILVAULT_PASSWORD"
    )]
    Unauthenticated {
        /// The server's address, without credentials.
        server: String,
        /// What the server said.
        reason: String,
    },

    /// A call was answered with an error.
    #[error("{server}: {call} of {subject} failed: {reason}{}", code_suffix(.code))]
    Call {
        /// The server's address, without credentials.
        server: String,
        /// The RPC's name.
        call: &'static str,
        /// What it was about: a collection, a database, the server.
        subject: String,
        /// The server's words.
        reason: String,
        /// Milvus's code, or the legacy code where the server is older than 2.3.
        code: i32,
        /// Whether the same call may succeed later.
        retriable: bool,
    },

    /// The user lacks the right to a call.
    #[error("{server}: {call} of {subject} is denied: {reason}; {}", way_to_right(.privilege.as_deref()))]
    Denied {
        /// The server's address, without credentials.
        server: String,
        /// The RPC's name.
        call: &'static str,
        /// What it was about: a collection, a database, the server.
        subject: String,
        /// The server's words.
        reason: String,
        /// What is to be granted, where the server names it.
        privilege: Option<String>,
    },

    /// The server does not understand an expression: that of a filter, for milvault's own name nothing but keys.
    #[error("{server} refuses the filter on {collection}: {reason}; correct --filter")]
    Filter {
        /// The server's address, without credentials.
        server: String,
        /// The collection.
        collection: String,
        /// The server's words, which quote the expression.
        reason: String,
    },

    /// The server does not have a call that is needed.
    #[error("{server} does not know the call {call}, which {need} needs")]
    Unsupported {
        /// The server's address, without credentials.
        server: String,
        /// The RPC's name.
        call: &'static str,
        /// What needs it.
        need: String,
    },

    /// The answer of a server does not fit what was asked.
    #[error("{server}: the answer to {call} of {subject} makes no sense: {reason}")]
    Answer {
        /// The server's address, without credentials.
        server: String,
        /// The RPC's name.
        call: &'static str,
        /// What it was about.
        subject: String,
        /// What does not fit.
        reason: String,
    },

    /// An answer is larger than the server sends or we take; asking for less helps.
    #[error("{server}: the answer to {call} of {subject} is too large: {reason}")]
    TooLarge {
        /// The server's address, without credentials.
        server: String,
        /// The RPC's name.
        call: &'static str,
        /// What it was about.
        subject: String,
        /// The words of the server or of the transport.
        reason: String,
    },

    /// A collection that was asked for does not exist.
    #[error("no collection {name} in {place}; {} tells what there is", looking_into(.place))]
    NoCollection {
        /// The collection or the pattern.
        name: String,
        /// The server or the archive.
        place: String,
    },

    /// A database that was asked for does not exist.
    #[error("no database {name} in {place}; {} tells what there is", looking_into(.place))]
    NoDatabase {
        /// The database.
        name: String,
        /// The server or the archive.
        place: String,
    },

    /// Completeness of the rows could not be shown.
    #[error("{collection} is not complete: {reason}")]
    Incomplete {
        /// The collection.
        collection: CollectionName,
        /// What is missing or in doubt, and the way out.
        reason: String,
    },

    /// Something in a collection that cannot be carried, or not to that server.
    #[error("{} cannot be carried: {}", things(.problems.len()), .problems.join("; "))]
    Incompatible {
        /// Each names the collection, the field, the reason and the way out.
        problems: Vec<String>,
    },

    /// A collection is in a state in which it cannot be read.
    #[error("{collection} {state}; {way_out}")]
    NotReadable {
        /// The collection.
        collection: CollectionName,
        /// The state, as a verb phrase.
        state: String,
        /// What the user can do.
        way_out: String,
    },

    /// What should be made is there already.
    #[error("{what} already exists{}{way_out}", if .way_out.is_empty() { "" } else { "; " })]
    Exists {
        /// What it is.
        what: String,
        /// What the user can do.
        way_out: String,
    },

    /// An object that should be there is missing from a store.
    #[error("{uri} is missing{}{hint}", if .hint.is_empty() { "" } else { "; " })]
    Missing {
        /// The object.
        uri: String,
        /// What the user can do.
        hint: String,
    },

    /// A store failed.
    #[error("cannot {doing} {uri}: {source}")]
    Store {
        /// What was tried, as a verb (`read`, `write`, `list`).
        doing: &'static str,
        /// The object or folder.
        uri: String,
        /// What the store said.
        source: std::io::Error,
    },

    /// An archive that is not what its manifest says, or a manifest that is none.
    #[error("{uri} is damaged: {reason}")]
    Damaged {
        /// The object.
        uri: String,
        /// What does not fit.
        reason: String,
    },

    /// An encrypted archive that was not opened.
    #[error(
        "{uri}: {reason}; give --identity FILE, or --passphrase-file FILE (or MILVAULT_IDENTITY, or MILVAULT_PASSPHRASE)"
    )]
    Encrypted {
        /// The archive.
        uri: String,
        /// Why it was not opened.
        reason: String,
    },

    /// An archive of a format that this version does not read.
    #[error(
        "{uri} has archive format {found}, this milvault reads up to {known}; use a newer milvault"
    )]
    FutureFormat {
        /// The manifest.
        uri: String,
        /// The format that the manifest names.
        found: u64,
        /// The newest format that this version reads.
        known: u64,
    },

    /// Values that do not fit their field.
    #[error("field {field}: {reason}")]
    Column {
        /// The field.
        field: String,
        /// What does not fit.
        reason: String,
    },

    /// What the user typed makes no sense.
    #[error("{0}")]
    Usage(String),

    /// A program that is started for the user (Python, milvus-lite) did not do its work.
    #[error("cannot {doing}: {reason}")]
    Program {
        /// What was tried, as a verb phrase.
        doing: String,
        /// What went wrong, and the way out.
        reason: String,
    },

    /// The user asked to stop.
    #[error("stopped before the end: {0}")]
    Stopped(String),
}

/// What an error means to the caller; the binary makes its exit code of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The work failed.
    Failed,
    /// The request made no sense.
    Usage,
    /// The work was done, and found damage.
    Damage,
    /// The work was stopped part-way.
    Stopped,
}

impl Error {
    /// What the error means to the caller.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Usage(_) | Error::Filter { .. } => Kind::Usage,
            Error::Damaged { .. } => Kind::Damage,
            Error::Stopped(_) => Kind::Stopped,
            _ => Kind::Failed,
        }
    }

    /// Whether doing the same again can never help.
    pub fn is_permanent(&self) -> bool {
        match self {
            Error::Unreachable { .. } | Error::Stopped(_) => false,
            Error::Call { retriable, .. } => !retriable,
            _ => true,
        }
    }

    /// Makes an error of `field`'s values.
    pub fn column(field: &str, reason: impl Into<String>) -> Error {
        Error::Column {
            field: field.to_owned(),
            reason: reason.into(),
        }
    }
}

/// What to check where a server cannot be reached. One that talks TLS just hangs up on a plain connection.
fn way_there(server: &str) -> &'static str {
    if server.starts_with("http://") {
        "check the address (https:// if it talks TLS), and that Milvus is up and listens there"
    } else {
        "check the address, and that Milvus is up and listens there"
    }
}

/// How the user gets a right that is missing.
fn way_to_right(privilege: Option<&str>) -> String {
    const RIGHTS: &str = "docs/rights.md has what each command needs";
    match privilege {
        Some(privilege) => format!("grant {privilege} to a role of this user; {RIGHTS}"),
        None => format!("give this user a role with the right to it; {RIGHTS}"),
    }
}

fn things(number: usize) -> String {
    match number {
        1 => "1 thing".to_owned(),
        number => format!("{number} things"),
    }
}

/// The command that shows what a cluster or an archive holds.
fn looking_into(place: &str) -> String {
    let cluster = place.starts_with("http") || crate::lite::Lite::is_path(place);
    let command = if cluster { "ls" } else { "show" };
    format!("`milvault {command} {place}`")
}

fn code_suffix(code: &i32) -> String {
    if *code == 0 {
        String::new()
    } else {
        format!(" (code {code})")
    }
}
