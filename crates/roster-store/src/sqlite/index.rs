//! The search index: which users contain which three bytes, kept a chunk of users at a time, behind the writer.
//!
//! Keeping an index like FTS5 inside every create would cost more than the create (docs/performance.md). Users are
//! numbered in creation order, so whole chunks of them are indexed after the fact by a thread of their own: each
//! trigram of a chunk is one row, written once. Until a chunk is finished, search.rs reads its users one by one, so the
//! answers never lag.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::Duration,
};

use roster_directory::search::Haystack;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot};

use super::{
    place::OrganizationNumber,
    readers::{Reader, Readers},
    writer::Job,
};
use crate::Error;

/// Users a chunk has. An offset within it fits 16 bits; reading as many rows one by one takes two milliseconds or so.
pub(super) const CHUNK: i64 = 1 << 13;

/// Trigrams written in one transaction: short enough that the creates between them do not feel it.
const SLICE: usize = 256;

/// How often chunks are looked for that other processes filled.
const PATROL: Duration = Duration::from_secs(60);

/// What wakes the indexer.
pub(super) enum Wake {
    /// The last ordinal of a chunk of this organization was handed out.
    Crossed(OrganizationNumber),
    /// Somebody wants to know when there is nothing left to do.
    Settle(oneshot::Sender<()>),
    /// The database is being closed.
    Stop,
}

/// Some of the postings of one chunk.
pub(super) struct PostingSlice {
    number: OrganizationNumber,
    chunk: i64,
    postings: Vec<(u32, Vec<u8>)>,
    /// Whether the chunk is finished with it.
    last: bool,
}

/// The trigrams of a text: each three consecutive bytes, as a number, once. None if it is shorter than three bytes.
pub(super) fn trigrams_of(text: &str) -> Vec<u32> {
    let mut trigrams: Vec<u32> = trigrams(text).collect();
    trigrams.sort_unstable();
    trigrams.dedup();
    trigrams
}

fn trigrams(text: &str) -> impl Iterator<Item = u32> + '_ {
    text.as_bytes().windows(3).map(|three| u32::from_be_bytes([0, three[0], three[1], three[2]]))
}

/// The chunks of the organization that are finished.
pub(super) fn finished(reader: &Reader, number: OrganizationNumber) -> Result<HashSet<i64>, Error> {
    let mut statement = reader.prepare("select chunk from search_chunk where organization = ?1")?;
    Ok(statement.query_map([number], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The users of a finished chunk that contain the trigram: offsets, ascending.
pub(super) fn posting(
    reader: &Reader,
    number: OrganizationNumber,
    chunk: i64,
    trigram: u32,
) -> Result<Vec<u16>, Error> {
    let sql = "select offsets from search_posting where organization = ?1 and chunk = ?2 and trigram = ?3";
    let mut statement = reader.prepare(sql)?;
    let offsets = statement
        .query_row(params![number, chunk, trigram], |row| {
            let bytes = row.get_ref(0)?.as_blob()?;
            Ok(bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
        })
        .optional()?;
    Ok(offsets.unwrap_or_default())
}

/// Writes some postings, inside the writer's transaction. Writing them twice changes nothing.
pub(super) fn write(connection: &Connection, slice: &PostingSlice) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "insert into search_posting (organization, chunk, trigram, offsets) values (?1, ?2, ?3, ?4) \
         on conflict do update set offsets = excluded.offsets",
    )?;
    for (trigram, offsets) in &slice.postings {
        statement.execute(params![slice.number, slice.chunk, trigram, offsets])?;
    }
    if slice.last {
        let sql = "insert into search_chunk (organization, chunk) values (?1, ?2) on conflict do nothing";
        connection.prepare_cached(sql)?.execute(params![slice.number, slice.chunk])?;
    }
    Ok(())
}

/// The thread that indexes.
pub(super) struct Indexer {
    wake: Sender<Wake>,
    thread: Option<JoinHandle<()>>,
}

impl Indexer {
    pub(super) fn start(
        wake: Sender<Wake>,
        wakes: Receiver<Wake>,
        readers: Arc<Readers>,
        jobs: mpsc::WeakSender<Job>,
    ) -> Result<Self, Error> {
        let thread = std::thread::Builder::new()
            .name("search-indexer".to_owned())
            .spawn(move || IndexerThread { readers, jobs, occurrences: Vec::new() }.run(&wakes))
            .map_err(|error| Error::Unusable(format!("cannot start the indexer thread: {error}")))?;
        Ok(Self { wake, thread: Some(thread) })
    }

    /// Waits until everything committed before the call is indexed.
    pub(super) async fn settled(&self) {
        let (asker, answer) = oneshot::channel();
        if self.wake.send(Wake::Settle(asker)).is_ok() {
            drop(answer.await);
        }
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        drop(self.wake.send(Wake::Stop));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the indexer thread had panicked");
        }
    }
}

struct IndexerThread {
    readers: Arc<Readers>,
    jobs: mpsc::WeakSender<Job>,
    /// One number per occurrence in the chunk at hand, trigram above offset. Kept: its pages are dear to come by.
    occurrences: Vec<u64>,
}

impl IndexerThread {
    fn run(&mut self, wakes: &Receiver<Wake>) {
        Self::report(self.index_all());
        loop {
            match wakes.recv_timeout(PATROL) {
                Ok(Wake::Crossed(number)) => Self::report(self.index(number)),
                Ok(Wake::Settle(asker)) => {
                    Self::report(self.index_all());
                    let _ = asker.send(()); // whoever asked may have gone away
                }
                Err(RecvTimeoutError::Timeout) => Self::report(self.index_all()),
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// A chunk that could not be indexed now is found again by the next patrol.
    fn report(indexed: Result<(), Error>) {
        match indexed {
            Ok(()) | Err(Error::Closed | Error::Busy) => {}
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot extend the search index"),
        }
    }

    fn index_all(&mut self) -> Result<(), Error> {
        let sql = "select o.number from organization o where o.users / ?1 > \
                   (select count(*) from search_chunk c where c.organization = o.number)";
        let behind = self.readers.with(|reader| reader.collect(sql, [CHUNK], |row| row.get(0)))?;
        behind.into_iter().try_for_each(|number| self.index(number))
    }

    fn index(&mut self, number: OrganizationNumber) -> Result<(), Error> {
        let sql = "select users / ?2 from organization where number = ?1";
        let (full, finished) = self.readers.with(|reader| {
            let full: i64 = reader.prepare(sql)?.query_row(params![number, CHUNK], |row| row.get(0))?;
            Ok((full, finished(reader, number)?))
        })?;
        for chunk in (0..full).filter(|chunk| !finished.contains(chunk)) {
            self.index_chunk(number, chunk)?;
        }
        Ok(())
    }

    fn index_chunk(&mut self, number: OrganizationNumber, chunk: i64) -> Result<(), Error> {
        // Sorted, they are the postings one after another.
        let occurrences = &mut self.occurrences;
        self.readers.with(|reader| find_occurrences(reader, number, chunk, occurrences))?;
        occurrences.sort_unstable();
        occurrences.dedup();
        let postings: Vec<(u32, Vec<u8>)> = occurrences
            .chunk_by(|a, b| a >> 16 == b >> 16)
            .map(|run| {
                let offsets = run.iter().flat_map(|occurrence| (*occurrence as u16).to_le_bytes()).collect();
                ((run[0] >> 16) as u32, offsets)
            })
            .collect();

        let mut postings = postings.into_iter().peekable();
        while postings.peek().is_some() {
            let slice: Vec<_> = postings.by_ref().take(SLICE).collect();
            let slice = PostingSlice { number, chunk, postings: slice, last: postings.peek().is_none() };
            let (asker, answer) = oneshot::channel();
            let jobs = self.jobs.upgrade().ok_or(Error::Closed)?;
            jobs.blocking_send(Job::Postings(slice, asker)).map_err(|_| Error::Closed)?;
            answer.blocking_recv().map_err(|_| Error::Closed)??;
        }
        Ok(())
    }
}

fn find_occurrences(
    reader: &Reader,
    number: OrganizationNumber,
    chunk: i64,
    occurrences: &mut Vec<u64>,
) -> Result<(), Error> {
    let sql = "select place, first_name, last_name, email, phone from users where place between ?1 and ?2";
    let start = number.place(chunk * CHUNK);
    let mut statement = reader.prepare(sql)?;
    let mut rows = statement.query([start, start + CHUNK - 1])?;
    let mut haystack = Haystack::default();
    occurrences.clear();
    while let Some(row) = rows.next()? {
        let offset = (row.get::<_, i64>(0)? - start) as u64;
        let text = |column| row.get_ref(column).and_then(|value| Ok(value.as_str_or_null()?));
        haystack.fill(text(1)?.unwrap_or_default(), text(2)?.unwrap_or_default(), text(3)?, text(4)?);
        occurrences.extend(trigrams(haystack.as_str()).map(|trigram| u64::from(trigram) << 16 | offset));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::trigrams_of;

    #[test]
    fn trigrams_are_each_three_bytes_once() {
        assert_eq!(trigrams_of("ab"), []);
        assert_eq!(trigrams_of("abc"), [0x61_62_63]);
        assert_eq!(trigrams_of("aaaa"), [0x61_61_61]);
        assert_eq!(trigrams_of("é"), []);
        assert_eq!(trigrams_of("éa"), [0xc3_a9_61]);
    }
}
