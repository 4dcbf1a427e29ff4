//! What an argument names: a cluster, an archive or a store; and opening it.

use std::path::Path;
use std::sync::Arc;

use milvault::archive::{Archive, MANIFEST};
use milvault::lite::Lite;
use milvault::milvus::{Address, Cluster, ConnectOptions};
use milvault::store::{self, Store, StoreOptions};
use milvault::{Error, Result};

use super::Session;
use super::options::{
    ConnectionArguments, KeepArguments, Profile, Profiles, Role, StoreArguments, is_name,
};

/// Whether the text names a cluster by itself, without a profile.
fn is_cluster(text: &str) -> bool {
    ["http://", "https://", "tcp://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
        || Lite::is_path(text)
}

/// A cluster that is connected, and served by us where it is a milvus-lite database.
pub struct Connected {
    /// The connection.
    pub cluster: Cluster,
    /// What the user calls it, without credentials.
    pub name: String,
    lite: Option<Lite>,
}

impl Connected {
    /// Ends what was started for the cluster. The work's own error goes first, and a database that was made for it
    /// and is still empty goes with it.
    pub async fn finish<T>(self, worked: Result<T>) -> Result<T> {
        let closed = match self.lite {
            Some(lite) if worked.is_err() => lite.close_failed().await,
            Some(lite) => lite.close().await,
            None => Ok(()),
        };
        let value = worked?;
        closed.map(|()| value)
    }
}

/// A cluster as the user names it.
pub struct Named {
    /// Its address, or the path of a milvus-lite database.
    pub address: String,
    profile: Option<Profile>,
}

/// The cluster that `text` names; `None` where it names files.
pub fn cluster_or_files(text: &str, session: &Session) -> Result<Option<Named>> {
    let profiles = Profiles::load(session.config.as_deref())?;
    let named = named(text, &profiles)?;
    let odd = !is_name(text) || text.contains([':', '@']) || Path::new(text).exists();
    if named.is_none() && !odd && profiles.find_store(&format!("{text}:")).is_some() {
        return Err(Error::Usage(format!(
            "{text:?} is a store; write {text}: for it, and {text}:NAME for an archive in it"
        )));
    }
    if named.is_none() && !profiles.is_empty() && !odd {
        return Err(Error::Usage(format!(
            "{text:?} is neither a profile nor a folder; {}",
            profiles.listed()
        )));
    }
    Ok(named)
}

/// The cluster that `text` names, where nothing else is wanted.
pub fn cluster(text: &str, session: &Session) -> Result<Named> {
    let profiles = Profiles::load(session.config.as_deref())?;
    match named(text, &profiles)? {
        Some(named) => Ok(named),
        // Just what is wrong with an address is for its parser to say.
        None if text.contains([':', '@']) => Ok(itself(text)),
        None => Err(Error::Usage(format!(
            "{text:?} is no cluster: write http[s]://host[:port][/database], the path of a milvus-lite database, or \
             a profile's name; {}",
            profiles.listed()
        ))),
    }
}

/// A profile goes before all else.
fn named(text: &str, profiles: &Profiles) -> Result<Option<Named>> {
    if let Some((address, profile)) = profiles.find(text)? {
        return Ok(Some(Named {
            address,
            profile: Some(profile.clone()),
        }));
    }
    Ok(is_cluster(text).then(|| itself(text)))
}

fn itself(text: &str) -> Named {
    Named {
        address: text.to_owned(),
        profile: None,
    }
}

/// What happens where a milvus-lite database is to be opened and none is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// That is an error.
    Refuse,
    /// It is made.
    Make,
    /// An empty one takes its place until the end, somewhere else: for a dry run.
    Rehearse,
}

/// Connects to a cluster that is there.
pub async fn connect(
    named: &Named,
    connection: &ConnectionArguments,
    role: Role,
    session: &Session,
) -> Result<Connected> {
    connect_or(named, connection, role, Absent::Refuse, session).await
}

/// Connects to the cluster that is written, or would be, were this no dry run.
pub async fn target(
    named: &Named,
    connection: &ConnectionArguments,
    dry_run: bool,
    session: &Session,
) -> Result<Connected> {
    let absent = match dry_run {
        true => Absent::Rehearse,
        false => Absent::Make,
    };
    connect_or(named, connection, Role::To, absent, session).await
}

async fn connect_or(
    named: &Named,
    connection: &ConnectionArguments,
    role: Role,
    absent: Absent,
    session: &Session,
) -> Result<Connected> {
    if Lite::is_path(&named.address) {
        return serve(Path::new(&named.address), absent, session).await;
    }
    let address = Address::parse(&named.address)?;
    let own = address.credentials.is_some();
    let options = connection.options(role, own, named.profile.as_ref())?;
    let connecting = Cluster::connect(&address, &options);
    let cluster = session.ctx.until_stopped("connecting", connecting).await?;
    Ok(Connected {
        name: cluster.server().to_owned(),
        cluster,
        lite: None,
    })
}

/// Serves a milvus-lite database, and connects to it.
pub async fn serve(path: &Path, absent: Absent, session: &Session) -> Result<Connected> {
    let ctx = &session.ctx;
    let lite = match absent {
        Absent::Refuse => Lite::open(path, ctx).await?,
        Absent::Make => Lite::create(path, ctx).await?,
        Absent::Rehearse => Lite::rehearse(path, ctx).await?,
    };
    // It listens on this machine only, and knows no users.
    let connected = async {
        let address = Address::parse(&format!("http://{}", lite.address()))?;
        let options = ConnectOptions {
            name: Some(path.display().to_string()),
            ..ConnectOptions::default()
        };
        let connecting = Cluster::connect(&address, &options);
        ctx.until_stopped("connecting", connecting).await
    };
    match connected.await {
        Ok(cluster) => Ok(Connected {
            cluster,
            name: path.display().to_string(),
            lite: Some(lite),
        }),
        Err(error) => {
            // The first error says more than that of a server that did not stop.
            let _ = lite.close_failed().await;
            Err(error)
        }
    }
}

/// Opens the archive that `text` names.
pub async fn archive(text: &str, stores: &StoreArguments, session: &Session) -> Result<Archive> {
    let (place, name, options) = archive_place(text, stores, session)?;
    let opening = async {
        let keys = || session.keys.keys();
        Archive::open_with(store::open(&place, &options).await?, &name, keys).await
    };
    session
        .ctx
        .until_stopped("reading the manifest", opening)
        .await
}

/// The store of the archive that `text` names, the archive's name, and how the store is reached.
pub fn archive_place(
    text: &str,
    stores: &StoreArguments,
    session: &Session,
) -> Result<(String, String, StoreOptions)> {
    let (address, stores) = located(text, "an archive", stores, session)?;
    let (place, name) = store::split_archive(&address)?;
    Ok((place, name, stores.options()?))
}

/// Opens the store that `text` names, whose objects are to be kept so. Nothing says that it is there yet.
pub async fn store(
    text: &str,
    stores: &StoreArguments,
    keep: &KeepArguments,
    session: &Session,
) -> Result<Arc<dyn Store>> {
    let (address, stores) = located(text, "a store", stores, session)?;
    store::open(&address, &stores.writing(keep)?).await
}

/// Opens a store that must be there, and must not be an archive.
pub async fn existing_store(
    text: &str,
    stores: &StoreArguments,
    session: &Session,
) -> Result<Arc<dyn Store>> {
    let (address, stores) = located(text, "a store", stores, session)?;
    let store = store::open(&address, &stores.options()?).await?;
    let held = store.list("").await?;
    if held.iter().any(|name| name == MANIFEST) {
        return Err(Error::Usage(format!(
            "{text} is an archive, and a store is wanted here; `milvault show {text}` shows what it holds, `milvault forget \
             STORE NAME` removes it"
        )));
    }
    // Stores list nothing where there is nothing; a folder that was mistyped must not pass for an empty one.
    let folder = store.uri();
    if held.is_empty() && !folder.contains("://") && !Path::new(&folder).is_dir() {
        return Err(Error::Missing {
            uri: format!("store {folder}"),
            hint: "the first export makes it".to_owned(),
        });
    }
    Ok(store)
}

/// The address of the store, or of what is in it, that `text` names, and how it is reached: as the file of profiles says
/// where it is NAME:PATH, else as the options say.
pub fn located(
    text: &str,
    wanted: &str,
    stores: &StoreArguments,
    session: &Session,
) -> Result<(String, StoreArguments)> {
    let profiles = Profiles::load(session.config.as_deref())?;
    if let Some((address, named)) = profiles.find_store(text) {
        return Ok((address, named.clone()));
    }
    check_files(text, wanted)?;
    if let Some(name) = mistyped_store(text) {
        return Err(Error::Usage(format!(
            "there is no store {name:?}; {} (a folder of that name is ./{text})",
            profiles.listed_stores()
        )));
    }
    Ok((text.to_owned(), stores.clone()))
}

/// The name in NAME:PATH, where that is no folder: a mistyped store, or a scheme that lacks a slash.
fn mistyped_store(text: &str) -> Option<&str> {
    let (name, rest) = text.split_once(':')?;
    let is_address = rest.starts_with("//");
    let is_store = is_name(name) && !is_address && !Path::new(text).exists();
    is_store.then_some(name)
}

fn check_files(text: &str, wanted: &str) -> Result<()> {
    if is_cluster(text) {
        return Err(Error::Usage(format!(
            "{:?} is a cluster; {wanted} is wanted here: a folder's path or s3://bucket/prefix",
            redacted(text)
        )));
    }
    if is_bare_address(text) && !Path::new(text).exists() {
        return Err(Error::Usage(format!(
            "there is no folder {:?}; to name a cluster, write http://{0}",
            redacted(text)
        )));
    }
    // A scheme that nobody knows may be a mistyped address with a password in it.
    if redacted(text) != text {
        return Err(Error::Usage(format!(
            "{:?} is neither a cluster nor {wanted}",
            redacted(text)
        )));
    }
    Ok(())
}

/// Whether this looks like `host:port`, with or without user and database.
fn is_bare_address(text: &str) -> bool {
    let authority = text.split('/').next().unwrap_or_default();
    !text.contains("://")
        && authority.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// The text without the user and the password that it may hold.
pub fn redacted(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None if is_bare_address(text) => (String::new(), text),
        None => return text.to_owned(),
    };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}…@{host}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn clusters_are_told_from_folders() {
        for text in ["http://h", "https://u:p@h:1/db", "./my.db", "/data/lite.db"] {
            assert!(is_cluster(text), "{text}");
        }
        for text in [
            "backups",
            "s3://bucket/x",
            "/srv/backups/prod-1",
            "file:///srv",
        ] {
            assert!(!is_cluster(text), "{text}");
        }
    }

    #[test]
    fn an_address_without_a_scheme_is_not_taken_for_a_folder() {
        for text in ["localhost:19530", "root:secret@h:19530/db"] {
            let message = check_files(text, "a store").unwrap_err().to_string();
            assert!(message.contains("write http://"), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
        assert!(check_files("backups/a:b", "a store").is_ok());
    }

    #[test]
    fn a_store_that_nobody_has_named_is_no_folder() {
        for text in ["vualt:", "vualt:prod/1", "s3:/bucket/x"] {
            assert!(mistyped_store(text).is_some(), "{text}");
        }
        for text in [
            "./vualt:",
            "/srv/a:b",
            "backups/a:b",
            "s3://bucket/x:y",
            "backups",
        ] {
            assert_eq!(mistyped_store(text), None, "{text}");
        }
    }

    #[test]
    fn passwords_are_cut_out_of_what_is_no_address() {
        for text in [
            "htp://root:secret@h",
            "http://root:secret@h",
            "ftp://root:se/cret@h",
        ] {
            let error = check_files(text, "x").unwrap_err();
            assert!(!error.to_string().contains("cret"), "{error}");
        }
    }
}
