//! A folder as a store.

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use super::range::past_end;
use super::{ObjectWriter, Role, Store, check_path};
use crate::{Error, Result};

/// What names of objects that are being written start and end with: hidden from [`Store::list`].
const TEMP_PREFIX: &str = ".";
const TEMP_SUFFIX: &str = ".partial";

/// Who may read a new object: whomever the umask lets, or its owner alone.
const READABLE: u32 = 0o666;
const PRIVATE: u32 = 0o600;

/// A folder of the local or of a mounted file system. It is made when the first object is.
#[derive(Clone, Debug)]
pub struct LocalStore {
    /// As the user typed it, without a trailing slash.
    root: Arc<str>,
}

impl LocalStore {
    /// A store over the folder at `path`.
    pub fn new(path: impl Into<String>) -> LocalStore {
        let path = path.into();
        LocalStore {
            root: path.trim_end_matches('/').into(),
        }
    }

    /// The file of an object, and the address by which errors name it.
    fn locate(&self, path: &str) -> Result<(PathBuf, String)> {
        if !path.is_empty() {
            check_path(path)?;
        }
        let uri = format!("{}/{path}", self.root);
        Ok((PathBuf::from(&uri), uri.trim_end_matches('/').to_owned()))
    }

    async fn begin(&self, path: &str, mode: u32) -> Result<Box<dyn ObjectWriter>> {
        check_path(path)?;
        let (target, uri) = self.locate(path)?;
        blocking("write", uri.clone(), move || {
            let temp = Temp::create(&target, mode)?;
            Ok(Box::new(LocalWriter {
                temp: Some(temp),
                target,
                uri,
            }) as Box<dyn ObjectWriter>)
        })
        .await
    }
}

#[async_trait]
impl Store for LocalStore {
    fn uri(&self) -> String {
        self.root.to_string()
    }

    async fn create(&self, path: &str, role: Role) -> Result<Box<dyn ObjectWriter>> {
        let mode = match role {
            Role::Secret => PRIVATE,
            Role::Part | Role::Mark => READABLE,
        };
        self.begin(path, mode).await
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        let (file, uri) = self.locate(path)?;
        blocking("read", uri, move || fs::read(file).map(Bytes::from)).await
    }

    async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        let (file, uri) = self.locate(path)?;
        blocking("read", uri, move || {
            let file = File::open(file)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(ErrorKind::NotFound.into());
            }
            let size = metadata.len();
            if range.start > range.end || range.end > size {
                return Err(past_end(&range, size));
            }
            let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, range.start)?;
            Ok(Bytes::from(bytes))
        })
        .await
    }

    async fn size(&self, path: &str) -> Result<u64> {
        let (file, uri) = self.locate(path)?;
        blocking("read", uri, move || {
            let metadata = fs::metadata(file)?;
            if metadata.is_dir() {
                return Err(ErrorKind::NotFound.into());
            }
            Ok(metadata.len())
        })
        .await
    }

    async fn list(&self, path: &str) -> Result<Vec<String>> {
        let (folder, uri) = self.locate(path)?;
        blocking("list", uri, move || {
            let entries = match fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(error) if absent(&error) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            let mut names = Vec::new();
            for entry in entries {
                let entry = entry?;
                // Names that are not UTF-8 were not made by milvault.
                let Ok(mut name) = entry.file_name().into_string() else {
                    continue;
                };
                if name.starts_with(TEMP_PREFIX) && name.ends_with(TEMP_SUFFIX) {
                    continue;
                }
                // Follows links; one that leads nowhere is listed as an object.
                if fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir()) {
                    name.push('/');
                }
                names.push(name);
            }
            names.sort_unstable();
            Ok(names)
        })
        .await
    }

    async fn remove(&self, path: &str) -> Result<()> {
        check_path(path)?;
        let (file, uri) = self.locate(path)?;
        blocking("remove", uri, move || {
            gone(fs::remove_file(&file))?;
            // What is removed next must not go before it in a loss of power.
            gone(sync_folder(parent(&file)))
        })
        .await
    }

    async fn remove_all(&self, path: &str) -> Result<()> {
        check_path(path)?;
        let (folder, uri) = self.locate(path)?;
        blocking("remove", uri, move || {
            match fs::symlink_metadata(&folder) {
                Ok(metadata) if metadata.is_dir() => gone(fs::remove_dir_all(&folder)),
                Ok(_) => gone(fs::remove_file(&folder)),
                Err(error) => gone(Err(error)),
            }?;
            gone(sync_folder(parent(&folder)))
        })
        .await
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An object that is being written to a hidden file beside its place.
struct LocalWriter {
    /// Taken while a thread works on it; lost for good when that failed.
    temp: Option<Temp>,
    target: PathBuf,
    uri: String,
}

#[async_trait]
impl ObjectWriter for LocalWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let temp = self.temp.take();
        let temp = blocking("write", self.uri.clone(), move || {
            let mut temp = temp.ok_or_else(after_failure)?;
            temp.file.write_all(&bytes)?;
            Ok(temp)
        })
        .await?;
        self.temp = Some(temp);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<()> {
        let temp = self.temp.take();
        let target = std::mem::take(&mut self.target);
        let uri = self.uri.clone();
        let published = blocking("write", uri, move || {
            let temp = temp.ok_or_else(after_failure)?;
            temp.file.sync_all()?;
            match publish(&temp, &target) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
                published => published?,
            }
            drop(temp);
            sync_folder(parent(&target))?;
            Ok(true)
        })
        .await?;
        if published {
            Ok(())
        } else {
            Err(Error::Exists {
                what: self.uri.clone(),
                way_out: String::new(),
            })
        }
    }
}

/// A hidden file that is removed when it is dropped.
struct Temp {
    file: File,
    path: PathBuf,
}

impl Temp {
    fn create(target: &Path, mode: u32) -> io::Result<Temp> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let folder = parent(target);
        make_folder(folder)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        // Long names leave room for the rest: a file's name has at most 255 bytes.
        let short: String = name.chars().take(32).collect();
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let moment = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default()
                .as_nanos();
            // Unique among threads, processes and, by the time, hosts; a clash is tried again.
            let process = std::process::id();
            let path = folder.join(format!(
                "{TEMP_PREFIX}{short}.{moment:x}-{process:x}-{count:x}{TEMP_SUFFIX}"
            ));
            let mut options = OpenOptions::new();
            match options.write(true).create_new(true).mode(mode).open(&path) {
                Ok(file) => return Ok(Temp { file, path }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // Nobody is left to be told, and a leftover is invisible.
        let _ = fs::remove_file(&self.path);
    }
}

/// Gives the finished file its name, if no other has it. A hard link is atomic and fails where the name is
/// taken, on NFS as well.
fn publish(temp: &Temp, target: &Path) -> io::Result<()> {
    match fs::hard_link(&temp.path, target) {
        // NFS may repeat a link whose answer was lost: then the name is taken, by this very file.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && is_same(temp, target) => Ok(()),
        // SMB shares, exFAT and some FUSE file systems have no hard links.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Unsupported | ErrorKind::PermissionDenied
            ) =>
        {
            publish_by_claim(temp, target)
        }
        linked => linked,
    }
}

/// As [`publish`], for file systems without hard links: whoever makes the claim file may rename.
fn publish_by_claim(temp: &Temp, target: &Path) -> io::Result<()> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let claim = parent(target).join(format!("{TEMP_PREFIX}{name}.claim{TEMP_SUFFIX}"));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&claim)?;
    let claim = Temp { file, path: claim };
    if fs::symlink_metadata(target).is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    fs::rename(&temp.path, target)?;
    drop(claim);
    Ok(())
}

fn is_same(temp: &Temp, target: &Path) -> bool {
    match (temp.file.metadata(), fs::metadata(target)) {
        (Ok(ours), Ok(theirs)) => ours.ino() == theirs.ino() && ours.dev() == theirs.dev(),
        _ => false,
    }
}

/// Makes a folder and what is missing above it, each durable.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = parent(folder);
    if above != folder {
        make_folder(above)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // Another writer was faster, or there is a file.
            if folder.is_dir() {
                Ok(())
            } else {
                Err(ErrorKind::NotADirectory.into())
            }
        }
        Err(error) => Err(error),
        Ok(()) => sync_folder(above),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    match File::open(folder)?.sync_all() {
        // Some network file systems cannot, and write names through anyway.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// The absolute path of a folder that need not be there yet, without links on the way as far as it is.
pub(super) fn absolute(folder: &str) -> Result<String> {
    let failed = |source| Error::Store {
        doing: "find",
        uri: folder.to_owned(),
        source,
    };
    let path = std::path::absolute(folder).map_err(failed)?;
    let (mut there, mut rest) = (path.as_path(), PathBuf::new());
    let real = loop {
        match there.canonicalize() {
            Ok(real) => break real.join(&rest),
            Err(error) => match (there.parent(), there.file_name()) {
                (Some(parent), Some(name)) => {
                    rest = match rest.as_os_str().is_empty() {
                        true => PathBuf::from(name),
                        false => Path::new(name).join(&rest),
                    };
                    there = parent;
                }
                _ => return Err(failed(error)),
            },
        }
    };
    let real = real.to_string_lossy();
    Ok(real.trim_end_matches('/').to_owned())
}

/// Whether there is no such object; folders are none.
fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory)
}

/// Removing what is not there is no error.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if absent(&error) => Ok(()),
        removed => removed,
    }
}

fn after_failure() -> io::Error {
    io::Error::other("an earlier write of the same object failed")
}

/// Runs blocking I/O on a thread of its own; errors name the object and what the user can do.
async fn blocking<T, F>(doing: &'static str, uri: String, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> io::Result<T> + Send + 'static,
{
    let result = match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(lost) => Err(io::Error::other(lost)),
    };
    result.map_err(|error| {
        if absent(&error) && doing == "read" {
            return Error::Missing {
                uri,
                hint: String::new(),
            };
        }
        Error::Store {
            doing,
            uri,
            source: advise(doing, error),
        }
    })
}

/// Adds to an error what the user can do about it.
fn advise(doing: &str, error: io::Error) -> io::Error {
    let way_out = match error.kind() {
        // File systems that are no disks, such as /proc.
        ErrorKind::NotFound if doing == "write" => {
            "nothing can be made there: choose another store"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space, or choose another store"
        }
        ErrorKind::FileTooLarge => "files there may not be so large: choose another store",
        ErrorKind::ReadOnlyFilesystem => "it is mounted read-only: choose another store",
        ErrorKind::PermissionDenied => "check the owner and the rights of the folder",
        ErrorKind::NotADirectory => "a part of the path is a file: choose another store",
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{error}; {way_out}"))
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
