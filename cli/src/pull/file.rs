//! The file that Envoy watches, and beside it what its content is to the console.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::console::MAX_BODY_BYTES;

/// The file can't be read or replaced.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {error}", .path.display())]
pub struct FileError {
    what: &'static str,
    path: PathBuf,
    error: io::Error,
}

/// Whose ETag it is: that of another console, or for another gateway, says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The URL that is fetched.
    pub console: String,
    /// The gateway's name.
    pub gateway: String,
}

/// What stands beside the file.
#[derive(Serialize, Deserialize)]
struct Note {
    etag: String,
    /// Of the content that the ETag stands for. If the file was changed since, the ETag no longer tells what is in it.
    sha256: String,
    #[serde(flatten)]
    origin: Origin,
}

/// A file that is only ever replaced as a whole.
pub struct FilterFile {
    path: PathBuf,
}

impl FilterFile {
    /// The file at a path, whether it is there or not.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the content. `None` if there is no file, or one that is larger than any that is written.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn read(&self) -> Result<Option<Vec<u8>>, FileError> {
        match read_bounded(&self.path, MAX_BODY_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            content => content.map_err(|error| self.error("read", error)),
        }
    }

    /// Returns the ETag that this content has at a console. `None` if it is not known, or the content is another.
    pub fn etag_of(&self, content: &[u8], origin: &Origin) -> Option<String> {
        /// More than any note takes.
        const MAX_NOTE_BYTES: usize = 64 * 1024;
        let note = read_bounded(&self.beside("etag"), MAX_NOTE_BYTES).ok()??;
        let note: Note = serde_json::from_slice(&note).ok()?;
        let is_usable = note.etag.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        (is_usable && note.origin == *origin && note.sha256 == digest(content)).then_some(note.etag)
    }

    /// Keeps in mind which ETag a content has. Without one, or if that fails, the content is fetched once more than necessary.
    pub fn remember(&self, content: &[u8], etag: Option<String>, origin: &Origin) {
        let path = self.beside("etag");
        let Some(etag) = etag else {
            _ = fs::remove_file(path);
            return;
        };
        let note = Note { etag, sha256: digest(content), origin: origin.clone() };
        _ = serde_json::to_vec(&note).map_err(io::Error::from).and_then(|note| replace(&path, &note));
    }

    /// Replaces the file. Whoever reads it, whenever, gets the old content or the new one, also after the machine has crashed.
    ///
    /// # Errors
    /// If that fails. Then it is as it was.
    pub fn write(&self, content: &[u8]) -> Result<(), FileError> {
        replace(&self.path, content).map_err(|error| self.error("write", error))
    }

    fn error(&self, what: &'static str, error: io::Error) -> FileError {
        FileError { what, path: self.path.clone(), error }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        beside(&self.path, ending)
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(".");
    name.push(ending);
    name.into()
}

fn digest(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a file of at most `most` bytes. `None` if it is larger.
fn read_bounded(path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut content)?;
    Ok((content.len() <= most).then_some(content))
}

/// Writes beside a file and renames into place, which is also how Envoy notices a change.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = beside(path, "new");
    // What a run that was killed has left, or somebody has put there.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = create(&new).and_then(|mut file| {
        keep_permissions(&file, path)?;
        file.write_all(content)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| fs::rename(&new, path)) {
        _ = fs::remove_file(&new);
        return Err(error);
    }
    sync_folder(path);
    Ok(())
}

/// Creates a file that was not there, readable by its owner alone.
fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Gives a new file the permissions of the one that it replaces, and its owner and group as far as this process may. Envoy often
/// runs as another user, and has to be able to read the new file as well.
#[cfg(unix)]
fn keep_permissions(file: &File, replaced: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    /// Of a file that was not there before. A configuration may hold secrets.
    const MODE: u32 = 0o640;
    let Ok(metadata) = fs::metadata(replaced) else {
        return file.set_permissions(fs::Permissions::from_mode(MODE));
    };
    // Only root may give a file away, but whoever is in a group may give it to that.
    _ = fchown(file, Some(metadata.uid()), Some(metadata.gid()))
        .or_else(|_| fchown(file, None, Some(metadata.gid())));
    file.set_permissions(metadata.permissions())
}

#[cfg(not(unix))]
fn keep_permissions(_: &File, _: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes the folder of a file that was renamed: after a crash of the machine it would be as it was, otherwise. Not every file system
/// can do that, and the file is in place already.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
}
