//! Standard error and standard output, each written by a thread of its own, so that whoever reads them slowly does not slow
//! requests down.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tracing_subscriber::fmt::MakeWriter;

/// What waits to be written, at most: some 20,000 lines, a second of a busy log. Beyond it lines are dropped and counted.
const MAX_WAITING: usize = 4 << 20;

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Lines dropped since the process started.
pub(super) fn dropped() -> u64 {
    DROPPED.load(Relaxed)
}

/// Takes lines and hands them to the writing thread. Clones write to the same one.
#[derive(Clone)]
pub(super) struct Lines {
    shared: Arc<Shared>,
}

/// Ends the writing thread, after everything was written, when dropped.
pub(super) struct Writing {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<u8>,
    dropped: u64,
    closed: bool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Whoever panicked with the lock held left whole lines or half of one; both can be written.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a thread of that name that writes to `out`.
pub(super) fn start(name: &str, out: impl Write + Send + 'static) -> io::Result<(Lines, Writing)> {
    let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() });
    let theirs = Arc::clone(&shared);
    let thread = std::thread::Builder::new().name(name.into()).spawn(move || write_all(&theirs, out))?;
    Ok((Lines { shared: Arc::clone(&shared) }, Writing { shared, thread: Some(thread) }))
}

fn write_all(shared: &Shared, mut out: impl Write) {
    let mut lines = Vec::new();
    loop {
        let mut queue = shared.queue();
        while queue.waiting.is_empty() && queue.dropped == 0 && !queue.closed {
            queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.waiting.is_empty() && queue.dropped == 0 {
            return;
        }
        std::mem::swap(&mut lines, &mut queue.waiting);
        let dropped = std::mem::take(&mut queue.dropped);
        drop(queue);
        // Nobody is left to tell when the other end is gone.
        _ = out.write_all(&lines);
        if dropped > 0 {
            _ = writeln!(out, "larder: {dropped} log lines were dropped, since they were read too slowly");
        }
        _ = out.flush();
        lines.clear();
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It cannot panic but by a fault in `out`; there is nothing to save then.
            _ = thread.join();
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { shared: &self.shared }
    }
}

/// Takes one line, whole: the formatter writes an event with a single call.
pub(super) struct Line<'a> {
    shared: &'a Shared,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.shared.queue();
        if queue.waiting.len() + line.len() > MAX_WAITING {
            queue.dropped += 1;
            DROPPED.fetch_add(1, Relaxed);
        } else {
            let idle = queue.waiting.is_empty();
            queue.waiting.extend_from_slice(line);
            drop(queue);
            if idle {
                self.shared.changed.notify_one();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Keeps what is written, each time only when told to go on.
    struct Slow {
        go: mpsc::Receiver<()>,
        kept: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // An error means that the test has let everything go on.
            _ = self.go.recv();
            self.kept.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (mpsc::Sender<()>, Arc<Mutex<Vec<u8>>>, Lines, Writing) {
        let (go, wait) = mpsc::channel();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (lines, writing) = start("slow", Slow { go: wait, kept: Arc::clone(&kept) }).unwrap();
        (go, kept, lines, writing)
    }

    #[test]
    fn everything_is_written_before_the_end() {
        let (go, kept, lines, writing) = slow();
        for number in 0..100 {
            lines.make_writer().write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        drop(go);
        drop(writing);
        let text = String::from_utf8(kept.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 100);
        assert_eq!(text.lines().last(), Some("line 99"));
    }

    #[test]
    fn a_stuck_reader_costs_lines_not_time() {
        let before = dropped();
        let (go, kept, lines, writing) = slow();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..20 {
            lines.make_writer().write_all(&line).unwrap();
        }
        drop(go);
        drop(writing);
        let lost = dropped() - before;
        // Four wait, and up to four were taken by the thread before it got stuck.
        assert!((12..=16).contains(&lost), "{lost}");
        let kept = kept.lock().unwrap();
        let end = format!("larder: {lost} log lines were dropped, since they were read too slowly\n");
        assert!(kept.ends_with(end.as_bytes()));
        assert_eq!(kept.len(), end.len() + (20 - lost as usize) * line.len());
    }
}
