//! Files are read whole and summed, on threads of ours, while whoever asked looks at other things.
//!
//! Each file is read once, from its beginning to its end, through a path on which no link is
//! followed. The same bytes go through the checks of InnoDB's pages, if it is a tablespace. Where
//! one file is most of a tree it is one reader's, so what is read is summed by a crew of all cores.
//! Deliberately absent: what the sums should be.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use blake3::Hasher;
use nix::fcntl::{OFlag, OpenHow, PosixFadviseAdvice, ResolveFlag, openat2, posix_fadvise};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::inspect::cannot;
use super::kernel;
use super::signals::FromNow;
use crate::digest::Digest;
use crate::host::{Fault, Pages, Priority, Reading, Readings, Sum, ToRead};
use crate::pages::{self, Checker, Spares};
use crate::units::{Bytes, Millis};

/// How much is read at a time: a tenth of a millisecond of a fast disk, and small for a cache.
const CHUNK_BYTES: usize = 1 << 20;

/// Less than so much is summed sooner by whoever has read it than handed to the crew.
const SHARE_BYTES: usize = 128 << 10;

/// After so much the kernel is told that we shall not come back to it, so that what we read once
/// does not push out what the server reads again and again.
const FORGET_BYTES: u64 = 32 << 20;

/// How many files are read at the same time, at most: two cores sum faster than most disks read.
const THREADS_MAX: usize = 4;

/// How long a signal may wait to be seen.
const TICK: Duration = Duration::from_millis(100);

/// The place of the reading: one at most.
#[derive(Default)]
pub(super) struct Slot(Option<Job>);

/// One reading. Its threads end when it is dropped, each after the chunk that it reads.
struct Job {
    shared: Arc<Shared>,
    results: Receiver<(usize, Result<Sum, String>)>,
    untold: usize,
}

struct Shared {
    directory: OwnedFd,
    files: Arc<[ToRead]>,
    /// Which pages have a whole copy, gathered by the thread that comes first.
    spares: OnceLock<Arc<Spares>>,
    /// Who sums.
    crew: ThreadPool,
    /// Why one of them cannot stand back as was asked.
    in_the_way: Arc<OnceLock<String>>,
    next: AtomicUsize,
    bytes: AtomicU64,
    given_up: AtomicBool,
}

impl Drop for Job {
    fn drop(&mut self) {
        self.shared.given_up.store(true, Ordering::Relaxed);
    }
}

impl Slot {
    /// Begins to read, and gives up what was read before.
    pub(super) fn begin(&mut self, order: &Reading) -> Result<(), Fault> {
        self.0 = None;
        let wrong = |error: io::Error| cannot("open", &order.directory, &error);
        let cores = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let priority = order.priority;
        let in_the_way = Arc::default();
        let shared = Arc::new(Shared {
            directory: File::open(&order.directory).map_err(wrong)?.into(),
            files: Arc::clone(&order.files),
            spares: OnceLock::new(),
            crew: crew(cores, priority, &in_the_way)?,
            in_the_way,
            next: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            given_up: AtomicBool::new(false),
        });
        let (tell, results) = channel();
        for _ in 0..cores.min(order.files.len()) {
            let (shared, tell) = (Arc::clone(&shared), tell.clone());
            let work = move || {
                stand_back(priority, &shared.in_the_way);
                shared.work(&tell);
            };
            thread::Builder::new().name("read".into()).spawn(work).map_err(no_thread)?;
        }
        self.0 = Some(Job { shared, results, untold: order.files.len() });
        Ok(())
    }

    /// What was read, after so long at most; at its end the place is free again.
    pub(super) fn hear(&mut self, ms_max: Millis, interrupt: &FromNow) -> Result<Readings, Fault> {
        let none = || Fault::refused("nothing is being read");
        let job = self.0.as_mut().ok_or_else(none)?;
        let until = Instant::now() + Duration::from(ms_max);
        let mut files = Vec::new();
        while job.untold > 0 && interrupt.came().is_none() {
            let left = until.saturating_duration_since(Instant::now());
            match job.results.recv_timeout(left.min(TICK)) {
                Ok(one) => {
                    job.untold -= 1;
                    files.push(one);
                }
                Err(RecvTimeoutError::Timeout) if left.is_zero() => break,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.0 = None;
                    return Err(Fault::unsure("a thread that read has ended early"));
                }
            }
        }
        let bytes = Bytes(job.shared.bytes.load(Ordering::Relaxed));
        let over = job.untold == 0;
        if over {
            self.0 = None;
        }
        Ok(Readings { files, bytes, over })
    }
}

impl Shared {
    /// Reads files that no other thread has taken, one after the other.
    fn work(&self, tell: &Sender<(usize, Result<Sum, String>)>) {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Some((at, file)) = self.take() {
            let read = match self.in_the_way.get() {
                None => self.sum(file, &mut chunk).map_err(|error| error.to_string()),
                Some(why) => Err(why.clone()),
            };
            if tell.send((at, read)).is_err() {
                return;
            }
        }
    }

    fn take(&self) -> Option<(usize, &ToRead)> {
        if self.given_up.load(Ordering::Relaxed) {
            return None;
        }
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        self.files.get(at).map(|file| (at, file))
    }

    fn sum(&self, wanted: &ToRead, chunk: &mut [u8]) -> io::Result<Sum> {
        let mut file = open(&self.directory, &wanted.path)?;
        let Bytes(size) = wanted.size;
        of_size(file.metadata()?.len(), size)?;
        // Advice alone: a filesystem that does not take it reads all the same.
        let _advice = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_SEQUENTIAL);
        let mut hasher = Hasher::new();
        let mut checker = self.checker(wanted);
        let (mut read, mut forgotten) = (0_u64, 0_u64);
        loop {
            let bytes = some(&mut file, chunk)?;
            if bytes == 0 {
                break;
            }
            self.feed(&mut hasher, checker.as_mut(), &chunk[..bytes]);
            read += bytes as u64;
            self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            if read - forgotten >= FORGET_BYTES {
                forget(&file, forgotten, read);
                forgotten = read;
            }
            if self.given_up.load(Ordering::Relaxed) {
                return Err(io::Error::other("given up"));
            }
        }
        of_size(read, size)?;
        forget(&file, forgotten, read);
        let pages = checker.map(|checker| told(checker.finish()));
        Ok(Sum { blake3: Digest(*hasher.finalize().as_bytes()), pages })
    }

    /// Sums a chunk and checks its pages: on all cores, if there is enough of it.
    fn feed(&self, hasher: &mut Hasher, checker: Option<&mut Checker>, chunk: &[u8]) {
        let check = || checker.map_or((), |checker| checker.feed(chunk));
        if chunk.len() < SHARE_BYTES {
            hasher.update(chunk);
            return check();
        }
        self.crew.join(|| hasher.update_rayon(chunk), check);
    }

    fn checker(&self, wanted: &ToRead) -> Option<Checker> {
        if !pages::is_tablespace(&wanted.path) {
            return None;
        }
        let spares = self.spares.get_or_init(|| Arc::new(self.gather()));
        Some(Checker::new(&wanted.path, wanted.size.0).with(spares))
    }

    /// The copies of the doublewrite buffer, wherever there is one. What cannot be read here is
    /// told when its turn comes.
    fn gather(&self) -> Spares {
        let mut spares = Spares::default();
        let mut chunk = vec![0; CHUNK_BYTES];
        for wanted in self.files.iter().filter(|one| Spares::holds(&one.path)) {
            let Ok(mut file) = open(&self.directory, &wanted.path) else { continue };
            let mut gatherer = spares.gather(&wanted.path);
            while let Ok(bytes) = some(&mut file, &mut chunk) {
                let given_up = self.given_up.load(Ordering::Relaxed);
                if bytes == 0 || given_up || !gatherer.feed(&chunk[..bytes]) {
                    break;
                }
            }
        }
        spares
    }
}

/// As many threads as may sum at the same time. None of them reads, so none keeps another waiting.
fn crew(
    threads: usize,
    priority: Priority,
    in_the_way: &Arc<OnceLock<String>>,
) -> Result<ThreadPool, Fault> {
    let in_the_way = Arc::clone(in_the_way);
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|_| "sum".into())
        .start_handler(move |_| stand_back(priority, &in_the_way))
        .build()
        .map_err(no_thread)
}

/// Lets this thread stand back; that it cannot is told of every file that is not read yet.
fn stand_back(priority: Priority, in_the_way: &OnceLock<String>) {
    if let Err(errno) = kernel::stand_back_here(priority) {
        in_the_way.get_or_init(|| format!("cannot stand back: {errno}"));
    }
}

fn no_thread(error: impl Display) -> Fault {
    Fault::refused(format!("cannot start a thread: {error}"))
}

/// What was found of a tablespace's pages.
fn told(found: pages::Found) -> Pages {
    match found {
        pages::Found::Checked(found) => Pages {
            checked: found.pages,
            bad: found.bad_found,
            first_bad: found.bad.iter().map(|one| one.page).collect(),
            skipped: None,
        },
        pages::Found::Skipped(why) | pages::Found::NotATablespace(why) => {
            Pages { skipped: Some(why), ..Pages::default() }
        }
    }
}

/// Fills a chunk as far as the file goes.
fn some(file: &mut File, chunk: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < chunk.len() {
        match file.read(&mut chunk[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Takes what was read out of the page cache again, as far as it is on the disk already.
fn forget(file: &File, from: u64, to: u64) {
    let (Ok(from), Ok(bytes)) = (i64::try_from(from), i64::try_from(to - from)) else { return };
    let advice = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
    let _advice = posix_fadvise(file, from, bytes, advice);
}

fn of_size(found: u64, expected: u64) -> io::Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(io::Error::other(format!("expected {expected} bytes, found {found}")))
}

/// Opens a regular file below a directory; a link anywhere on the way is an error, and so is
/// another filesystem.
fn open(directory: &OwnedFd, path: &Path) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let resolve = ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_NO_XDEV;
    let how = OpenHow::new().flags(flags | OFlag::O_NOCTTY).resolve(resolve);
    let file = File::from(openat2(directory.as_fd(), path, how)?);
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other("it is not a regular file"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::signals::Signals;
    use super::*;

    fn calm() -> FromNow {
        Signals::of_test(Arc::default()).since_now()
    }

    fn order(directory: &Path, files: &[(&str, u64)]) -> Reading {
        let file = |(path, size): &(&str, u64)| ToRead { path: path.into(), size: Bytes(*size) };
        let files = files.iter().map(file).collect();
        Reading { directory: directory.into(), files, priority: Priority::default() }
    }

    /// Reads to the end: what came of each file, in order.
    fn read(order: &Reading) -> Vec<Result<Digest, String>> {
        let mut slot = Slot::default();
        slot.begin(order).unwrap();
        let mut all = Vec::new();
        loop {
            let readings = slot.hear(Millis(60_000), &calm()).unwrap();
            all.extend(readings.files);
            if readings.over {
                break;
            }
        }
        assert!(slot.hear(Millis(1), &calm()).is_err(), "it is over");
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, read)| read.map(|sum| sum.blake3)).collect()
    }

    #[test]
    fn every_file_is_summed_whatever_its_length() {
        let home = tempfile::tempdir().unwrap();
        let lengths = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES];
        let texts: Vec<Vec<u8>> =
            lengths.iter().map(|length| (0..=250).cycle().take(*length).collect()).collect();
        let names: Vec<String> = (0..texts.len()).map(|n| format!("{n}")).collect();
        for (name, text) in names.iter().zip(&texts) {
            fs::write(home.path().join(name), text).unwrap();
        }
        let files: Vec<_> = names
            .iter()
            .zip(&texts)
            .map(|(name, text)| (name.as_str(), text.len() as u64))
            .collect();
        let wanted: Vec<_> = texts.iter().map(|text| Ok(Digest::of(text))).collect();
        assert_eq!(read(&order(home.path(), &files)), wanted);
        assert_eq!(read(&order(home.path(), &[])), []);
    }

    #[test]
    fn what_is_not_the_file_that_was_seen_is_told() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("root");
        fs::create_dir_all(root.join("dir")).unwrap();
        fs::write(home.path().join("outside"), "abc").unwrap();
        fs::write(root.join("file"), "abc").unwrap();
        symlink("file", root.join("link")).unwrap();
        symlink("..", root.join("up")).unwrap();
        nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let files = [
            ("file", 2),
            ("file", 4),
            ("none", 1),
            ("link", 3),
            ("up/outside", 3),
            ("../outside", 3),
            ("dir", 0),
            ("pipe", 0),
        ];
        let told: Vec<_> =
            read(&order(&root, &files)).into_iter().map(|read| read.unwrap_err()).collect();
        assert_eq!(told[0], "expected 2 bytes, found 3");
        assert_eq!(told[1], "expected 4 bytes, found 3");
        assert!(told[2].contains("ENOENT") || told[2].contains("No such file"), "{}", told[2]);
        assert!(told[3].contains("symbolic links"), "{}", told[3]);
        assert!(told[4].contains("symbolic links"), "{}", told[4]);
        assert!(told[5].contains("cross-device"), "{}", told[5]);
        assert_eq!(told[6], "it is not a regular file");
        assert_eq!(told[7], "it is not a regular file");
    }

    #[test]
    fn a_tablespace_is_checked_with_the_same_bytes() {
        let home = tempfile::tempdir().unwrap();
        let mut text = vec![0; 64 << 10];
        text[100] = 1;
        fs::write(home.path().join("t.ibd"), &text).unwrap();
        fs::write(home.path().join("t.frm"), &text).unwrap();
        let mut slot = Slot::default();
        slot.begin(&order(home.path(), &[("t.ibd", 64 << 10), ("t.frm", 64 << 10)])).unwrap();
        let mut came = slot.hear(Millis(60_000), &calm()).unwrap().files;
        came.sort_by_key(|(at, _)| *at);
        let [table, other] = came.try_into().unwrap();
        let (table, other) = (table.1.unwrap(), other.1.unwrap());
        assert_eq!((table.blake3, other.pages), (Digest::of(&text), None));
        let pages = table.pages.unwrap();
        assert!(pages.bad > 0 || pages.skipped.is_some(), "{pages:?}");
    }

    #[test]
    fn a_signal_ends_the_listening_and_a_new_reading_the_old_one() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "abc").unwrap();
        let flag = Arc::new(AtomicUsize::new(0));
        let interrupt = Signals::of_test(Arc::clone(&flag)).since_now();
        flag.store(15, Ordering::SeqCst);
        let mut slot = Slot::default();
        slot.begin(&order(home.path(), &[("file", 3)])).unwrap();
        let told = slot.hear(Millis(60_000), &interrupt).unwrap();
        assert_eq!((told.files, told.over), (vec![], false));
        slot.begin(&Reading::nothing()).unwrap();
        assert_eq!(
            slot.hear(Millis(0), &calm()),
            Ok(Readings { over: true, ..Readings::default() })
        );
    }
}
