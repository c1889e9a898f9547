//! Follows a log as it is written, through rotation: `tail -n 0 -F`.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use same_file::Handle;

use super::lines::{Lines, Next};

/// A log that is followed.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    /// The file that is being read, which may have another name by now; `None` until there is one.
    file: Option<Open>,
    lines: Lines,
}

#[derive(Debug)]
struct Open {
    reader: BufReader<File>,
    /// Tells whether the path still leads to this file.
    handle: Handle,
}

impl Follower {
    /// Begins at the end of the log. A file that does not exist yet is read from its beginning once it does.
    ///
    /// # Errors
    /// Those of opening a file that exists.
    pub fn at_end(path: &Path) -> Result<Self> {
        let mut file = match Open::new(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            file => Some(file?),
        };
        if let Some(file) = &mut file {
            if file.reader.get_ref().metadata()?.is_dir() {
                return Err(ErrorKind::IsADirectory.into());
            }
            file.reader.seek(SeekFrom::End(0))?;
        }
        Ok(Self { path: path.to_owned(), file, lines: Lines::default() })
    }

    /// The path that is followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the next line; [`Next::End`] if nothing more was written so far. To be asked again a moment later.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next(&mut self) -> Result<Next> {
        let Some(file) = &mut self.file else {
            self.file = Open::new(&self.path).ok();
            return Ok(Next::End);
        };
        let next = self.lines.next(&mut file.reader)?;
        if next != Next::End {
            return Ok(next);
        }
        if file.is_rotated(&self.path) {
            // What was written to the old file before the rotation is complete only now.
            let next = self.lines.next(&mut file.reader)?;
            if next != Next::End {
                return Ok(next);
            }
            self.file = Open::new(&self.path).ok();
            return Ok(self.lines.rest());
        }
        if file.is_truncated()? {
            file.reader.rewind()?;
            return Ok(self.lines.rest());
        }
        Ok(Next::End)
    }
}

impl Open {
    fn new(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let handle = Handle::from_file(file.try_clone()?)?;
        Ok(Self { reader: BufReader::new(file), handle })
    }

    /// Whether another file stands at the path. While there is none, the old one is still read.
    fn is_rotated(&self, path: &Path) -> bool {
        Handle::from_path(path).is_ok_and(|current| current != self.handle)
    }

    fn is_truncated(&mut self) -> Result<bool> {
        let read = self.reader.stream_position()?;
        Ok(self.reader.get_ref().metadata()?.len() < read)
    }
}
