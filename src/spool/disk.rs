//! The folder of a journal, and the port through which it is written.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The journal's name in its folder.
const JOURNAL: &str = "journal";

/// What a new journal is called until it is whole.
const UNFINISHED: &str = "journal.new";

/// What a process holds as long as it uses the folder. A file of its own, since the journal is replaced now and then.
const LOCK: &str = "lock";

/// Only Larder reads and writes here: the names of purges tell what is on the site.
const MODE: u32 = 0o600;

/// Where a journal is written to. After an error nothing is known of its end: it is replaced before anything is added.
pub(super) trait Disk: Send + 'static {
    /// Adds to the journal. With `sync` it returns when that would outlive the machine.
    fn append(&mut self, frames: &[u8], sync: bool) -> io::Result<()>;

    /// Puts a whole journal in the place of the one there is, if there is one; all or nothing, and to outlive the machine.
    fn replace(&mut self, whole: &[u8]) -> io::Result<()>;
}

/// Why a folder cannot be used.
#[derive(Debug)]
pub(super) enum NoFolder {
    /// Another process uses it.
    Locked,
    /// The operating system says no.
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

/// A folder that this process alone uses.
pub(super) struct Folder {
    path: PathBuf,
    journal: Option<File>,
    /// Held, and let go by the operating system when the process ends in whichever way.
    _lock: File,
}

impl Folder {
    /// Takes the folder for this process, makes it if it is missing, and reads its journal, if there is one.
    pub(super) fn open(path: &Path) -> Result<(Self, Option<Vec<u8>>), NoFolder> {
        let failed = |doing: &'static str, at: &Path| {
            let path = at.to_owned();
            move |error| NoFolder::Io { doing, path, error }
        };
        fs::create_dir_all(path).map_err(failed("create", path))?;
        let lock_file = path.join(LOCK);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(MODE);
        let lock = options.open(&lock_file).map_err(failed("open", &lock_file))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => NoFolder::Locked,
            TryLockError::Error(error) => failed("lock", &lock_file)(error),
        })?;
        let mut folder = Self { path: path.to_owned(), journal: None, _lock: lock };
        let file = path.join(JOURNAL);
        let bytes = folder.read(&file).map_err(failed("read", &file))?;
        Ok((folder, bytes))
    }

    fn read(&mut self, file: &Path) -> io::Result<Option<Vec<u8>>> {
        match fs::metadata(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
            // Opening a pipe would wait for somebody to write.
            Ok(data) if !data.is_file() => return Err(io::Error::other("it is not a file")),
            Ok(_) => {}
        }
        let mut journal = OpenOptions::new().read(true).append(true).open(file)?;
        let mut bytes = Vec::new();
        journal.read_to_end(&mut bytes)?;
        self.journal = Some(journal);
        Ok(Some(bytes))
    }
}

impl Disk for Folder {
    fn append(&mut self, frames: &[u8], sync: bool) -> io::Result<()> {
        let Some(journal) = &mut self.journal else {
            return Err(io::Error::other("there is no journal yet"));
        };
        journal.write_all(frames)?;
        // The length is part of what `fdatasync` writes; times are not.
        if sync { journal.sync_data() } else { Ok(()) }
    }

    fn replace(&mut self, whole: &[u8]) -> io::Result<()> {
        // A sync that failed once says nothing when it is tried again: the pages count as clean then. So what is not known to
        // be on the disk is written anew to another file (Rebello et al., "Can Applications Recover from fsync Failures?",
        // USENIX ATC 2020).
        self.journal = None;
        let (unfinished, file) = (self.path.join(UNFINISHED), self.path.join(JOURNAL));
        let mut options = OpenOptions::new();
        // Emptied by hand, as the one that stands there may be left from a disk that was full.
        let mut journal = options.append(true).create(true).mode(MODE).open(&unfinished)?;
        journal.set_len(0)?;
        journal.write_all(whole)?;
        journal.sync_all()?;
        fs::rename(&unfinished, &file)?;
        File::open(&self.path)?.sync_all()?;
        self.journal = Some(journal);
        Ok(())
    }
}
