//! The search index: which users contain which three bytes, kept a chunk of users at a time, behind the writer. And how
//! many of each role they are (ranks.rs), by the same thread.
//!
//! Keeping an index like FTS5 inside every create would cost more than the create (docs/performance.md). Users are
//! numbered in creation order, so whole chunks of them are indexed after the fact by a thread of their own: each
//! trigram of a chunk is one row, written once. Until a chunk is finished, search.rs reads its users one by one, so the
//! answers never lag. Chunks that are finished are merged into blocks, eight at a time: a search asks for each trigram
//! once a chunk or block, and that is most of its time where there are millions of users.

mod follow;

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use roster_directory::search::Haystack;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use super::{
    jobs::{BackgroundJobs, Work},
    place::OrganizationNumber,
    ranks,
    readers::{Reader, Readers},
};
use crate::Error;
use follow::Following;
pub(super) use follow::{Unfollowed, changed, note_change};

/// Users a chunk has: reading as many rows one by one takes two milliseconds or so.
pub(super) const CHUNK: i64 = 1 << 13;

/// Users a block has: as many as 16 bits tell apart.
const BLOCK: i64 = 1 << 16;

/// Chunks a block is made of.
const CHUNKS: i64 = BLOCK / CHUNK;

/// Trigrams and bytes written, or rows removed, in one transaction: short enough that the creates between do not feel it.
const SLICE: usize = 256;
const SLICE_BYTES: usize = 128 << 10;

/// How often chunks are looked for that other processes filled.
const PATROL: Duration = Duration::from_secs(60);

/// What wakes the indexer.
pub(super) enum Wake {
    /// The last ordinal of a chunk of this organization was handed out.
    Crossed(OrganizationNumber),
    /// Users of this organization are found by other texts, or were erased.
    Altered(OrganizationNumber),
    /// Somebody wants to know when there is nothing left to do.
    Settle(oneshot::Sender<()>),
    /// The database is being closed.
    Stop,
}

/// One step of keeping the index, small enough for a transaction.
pub(super) enum Step {
    /// Counts how many users of each bucket a chunk has.
    Count { number: OrganizationNumber, chunk: i64 },
    /// Some of the postings of a chunk or block.
    Post {
        number: OrganizationNumber,
        generation: Generation,
        key: Key,
        postings: Vec<Posting>,
        /// Whether it is finished with them.
        last: bool,
    },
    /// Users of a piece contain some trigrams that they did not, and some no more.
    Follow {
        number: OrganizationNumber,
        generation: Generation,
        piece: Postings,
        trigrams: Vec<Following>,
        /// The users that are followed by then, and their changes.
        followed: Vec<(i64, i64)>,
    },
    /// The postings of a chunk up to a trigram go: they are in its block's.
    Forget {
        number: OrganizationNumber,
        key: Key,
        upto: u32,
        /// Whether there are none beyond it.
        last: bool,
    },
}

/// A trigram, and the offsets of the users that contain it: ascending, 16 bits each, little-endian.
type Posting = (u32, Vec<u8>);

/// Counts up whenever finished pieces of an organization change, and with each block that is finished. A step has the one
/// that was there before what it was made of was read: it is not taken once there is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(i64);

impl Generation {
    fn read(reader: &Reader, number: OrganizationNumber) -> Result<Self, Error> {
        let mut statement = reader.prepare("select search_followed from organization where number = ?1")?;
        Ok(Self(statement.query_row([number], |row| row.get(0))?))
    }

    fn is_current(self, connection: &Connection, number: OrganizationNumber) -> Result<bool, Error> {
        let sql = "select search_followed = ?2 from organization where number = ?1";
        Ok(connection.prepare_cached(sql)?.query_row(params![number, self.0], |row| row.get(0))?)
    }

    fn begin_next(connection: &Connection, number: OrganizationNumber) -> Result<(), Error> {
        let sql = "update organization set search_followed = search_followed + 1 where number = ?1";
        connection.prepare_cached(sql)?.execute([number])?;
        Ok(())
    }

    /// What there is after a step that began one.
    fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Names a chunk by its number, or a block by one that is counted down from -1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(i64);

impl Key {
    fn of_block(block: i64) -> Self {
        Self(-1 - block)
    }

    fn of_chunk(chunk: i64) -> Self {
        Self(chunk)
    }

    fn is_block(self) -> bool {
        self.0 < 0
    }

    /// The block that it is, or is to be in.
    fn block(self) -> Self {
        if self.is_block() { self } else { Self::of_block(self.0 / CHUNKS) }
    }

    /// The first ordinal of it.
    fn start(self) -> i64 {
        if self.is_block() { (-1 - self.0) * BLOCK } else { self.0 * CHUNK }
    }
}

/// What the postings of a chunk or block are filed under.
#[derive(Debug, Clone, Copy)]
pub(super) struct Postings(i64);

impl Postings {
    fn place(self, trigram: u32) -> i64 {
        (self.0 << 24) + i64::from(trigram)
    }
}

/// Consecutive users of an organization, by their ordinals.
pub(super) struct Piece {
    pub(super) ordinals: Range<i64>,
    /// Which of them contain what. `None`: they are not indexed yet.
    pub(super) postings: Option<Postings>,
}

/// The greatest trigram.
const LAST_TRIGRAM: u32 = (1 << 24) - 1;

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

/// The chunks and blocks of the organization that are finished.
fn finished(reader: &Reader, number: OrganizationNumber) -> Result<HashMap<Key, Postings>, Error> {
    let mut statement =
        reader.prepare("select chunk, number from search_piece where organization = ?1 and finished = 1")?;
    let pieces = statement.query_map([number], |row| Ok((Key(row.get(0)?), Postings(row.get(1)?))))?;
    Ok(pieces.collect::<Result<_, _>>()?)
}

/// The organization's users in as few pieces as they are indexed in, of so many ordinals.
pub(super) fn pieces(reader: &Reader, number: OrganizationNumber, ordinals: i64) -> Result<Vec<Piece>, Error> {
    let finished = finished(reader, number)?;
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < ordinals {
        let block = finished.get(&Key::of_block(start / BLOCK)).filter(|_| start % BLOCK == 0);
        let chunk = finished.get(&Key::of_chunk(start / CHUNK));
        let end = start + if block.is_some() { BLOCK } else { CHUNK };
        pieces.push(Piece { ordinals: start..end.min(ordinals), postings: block.or(chunk).copied() });
        start = end;
    }
    Ok(pieces)
}

/// The users of a piece that contain the trigram: offsets, ascending.
pub(super) fn posting(reader: &Reader, postings: Postings, trigram: u32) -> Result<Vec<u16>, Error> {
    let mut statement = reader.prepare("select offsets from search_posting where place = ?1")?;
    let posting = statement
        .query_row([postings.place(trigram)], |row| Ok(offsets(row.get_ref(0)?.as_blob()?).collect()))
        .optional()?;
    Ok(posting.unwrap_or_default())
}

fn offsets(posting: &[u8]) -> impl Iterator<Item = u16> {
    posting.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair))
}

/// Takes one step, inside the writer's transaction, or says why not. Taking it twice does no harm. Nor does it when another
/// process was faster: who comes late with a block finds it finished, and may have made its own of chunks that are half
/// gone.
pub(super) fn take(connection: &Connection, step: &Step) -> Result<Option<Error>, Error> {
    let named = |number: &OrganizationNumber, key: &Key| {
        let sql = "select number, finished from search_piece where organization = ?1 and chunk = ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let piece = statement.query_row(params![number, key.0], |row| Ok((Postings(row.get(0)?), row.get(1)?)));
        piece.optional()
    };
    match step {
        Step::Post { number, generation, .. } | Step::Follow { number, generation, .. }
            if !generation.is_current(connection, *number)? =>
        {
            return Ok(Some(Error::Stale));
        }
        Step::Count { number, chunk } => ranks::count(connection, *number, *chunk)?,
        Step::Post { number, key, postings, last, .. } => {
            let sql = "insert into search_piece (organization, chunk) values (?1, ?2) on conflict do nothing";
            connection.prepare_cached(sql)?.execute(params![number, key.0])?;
            let Some((piece, false)) = named(number, key)? else { return Ok(None) };
            let sql = "insert or replace into search_posting (place, offsets) values (?1, ?2)";
            let mut statement = connection.prepare_cached(sql)?;
            for (trigram, offsets) in postings {
                statement.execute(params![piece.place(*trigram), offsets])?;
            }
            if *last {
                let sql = "update search_piece set finished = 1 where number = ?1";
                connection.prepare_cached(sql)?.execute([piece.0])?;
                if key.is_block() {
                    Generation::begin_next(connection, *number)?;
                }
            }
        }
        Step::Follow { number, piece, trigrams, followed, .. } => {
            follow::take(connection, *piece, trigrams, followed)?;
            Generation::begin_next(connection, *number)?;
        }
        Step::Forget { number, key, upto, last } => {
            let Some((piece, _)) = named(number, key)? else { return Ok(None) };
            let sql = "delete from search_posting where place between ?1 and ?2";
            connection.prepare_cached(sql)?.execute([piece.place(0), piece.place(*upto)])?;
            if *last {
                connection.prepare_cached("delete from search_piece where number = ?1")?.execute([piece.0])?;
            }
        }
    }
    Ok(None)
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
        jobs: BackgroundJobs,
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
    jobs: BackgroundJobs,
    /// One number per occurrence in the chunk at hand, trigram above offset. Kept: its pages are dear to come by.
    occurrences: Vec<u64>,
}

impl IndexerThread {
    fn run(&mut self, wakes: &Receiver<Wake>) {
        Self::report(self.index_all());
        loop {
            match wakes.recv_timeout(PATROL) {
                Ok(Wake::Crossed(number)) => Self::report(self.index(number)),
                Ok(Wake::Altered(number)) => Self::report(self.follow(number)),
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
            Ok(()) | Err(Error::Closed | Error::Busy | Error::Locked | Error::Stale) => {}
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot extend the search index"),
        }
    }

    fn index_all(&mut self) -> Result<(), Error> {
        let sql = "select number from organization where users >= ?1";
        let numbers: Vec<OrganizationNumber> =
            self.readers.with(|reader| reader.collect(sql, [CHUNK], |row| row.get(0)))?;
        for number in numbers {
            match self.index(number) {
                // It waits for the next patrol, and nobody for it.
                Ok(()) | Err(Error::Stale) => {}
                Err(error) => return Err(error),
            }
            self.follow(number)?;
        }
        Ok(())
    }

    fn index(&mut self, number: OrganizationNumber) -> Result<(), Error> {
        let sql = "select users / ?2 from organization where number = ?1";
        let (full, counted, mut finished) = self.readers.with(|reader| {
            let full: i64 = reader.prepare(sql)?.query_row(params![number, CHUNK], |row| row.get(0))?;
            Ok((full, ranks::counted(reader, number)?, finished(reader, number)?))
        })?;
        for chunk in counted..full {
            self.write(Step::Count { number, chunk })?;
        }
        for block in 0..=full / CHUNKS {
            let chunks: Vec<Key> = (block * CHUNKS..((block + 1) * CHUNKS).min(full)).map(Key::of_chunk).collect();
            let key = Key::of_block(block);
            if !finished.contains_key(&key) {
                for chunk in chunks.iter().filter(|chunk| !finished.contains_key(chunk)) {
                    self.index_chunk(number, *chunk)?;
                }
                if (chunks.len() as i64) < CHUNKS {
                    continue;
                }
                finished = self.readers.with(|reader| self::finished(reader, number))?;
                let parts: Vec<Postings> = chunks.iter().filter_map(|chunk| finished.get(chunk).copied()).collect();
                // Otherwise another process was faster.
                if parts.len() == chunks.len() {
                    self.merge(number, key, &parts)?;
                }
            }
            for chunk in &chunks {
                if let Some(postings) = finished.get(chunk) {
                    self.forget(number, *chunk, *postings)?;
                }
            }
        }
        Ok(())
    }

    fn index_chunk(&mut self, number: OrganizationNumber, key: Key) -> Result<(), Error> {
        // Sorted, they are the postings one after another.
        let occurrences = &mut self.occurrences;
        let generation = self.readers.with_heavy(soon(), |reader| {
            let generation = Generation::read(reader, number)?;
            find_occurrences(reader, number, key.0, occurrences)?;
            let is_in_block = finished(reader, number)?.contains_key(&key.block());
            Ok((!is_in_block).then_some(generation))
        })?;
        // Another process was faster.
        let Some(generation) = generation else { return Ok(()) };
        occurrences.sort_unstable();
        occurrences.dedup();
        let postings: Vec<Posting> = occurrences
            .chunk_by(|a, b| a >> 16 == b >> 16)
            .map(|run| {
                let offsets = run.iter().flat_map(|occurrence| (*occurrence as u16).to_le_bytes()).collect();
                ((run[0] >> 16) as u32, offsets)
            })
            .collect();
        self.post(number, generation, key, postings, true)
    }

    /// Makes one block of finished chunks, some trigrams at a time.
    fn merge(&mut self, number: OrganizationNumber, key: Key, chunks: &[Postings]) -> Result<(), Error> {
        let mut next = 0;
        let generation = self.readers.with(|reader| Generation::read(reader, number))?;
        while next <= LAST_TRIGRAM {
            let upto = self.some_trigrams(chunks[0], next)?;
            let mut merged = BTreeMap::<u32, Vec<u8>>::new();
            self.readers.with_heavy(soon(), |reader| {
                let sql = "select place, offsets from search_posting where place between ?1 and ?2";
                let mut statement = reader.prepare(sql)?;
                for (nth, chunk) in chunks.iter().enumerate() {
                    let mut rows = statement.query([chunk.place(next), chunk.place(upto)])?;
                    while let Some(row) = rows.next()? {
                        let trigram = (row.get::<_, i64>(0)? - chunk.place(0)) as u32;
                        let posting: Vec<u8> = row.get(1)?;
                        // Less than 2^13, eight times: it fits.
                        let moved = offsets(&posting).map(|offset| offset + nth as u16 * CHUNK as u16);
                        merged.entry(trigram).or_default().extend(moved.flat_map(u16::to_le_bytes));
                    }
                }
                Ok(())
            })?;
            self.post(number, generation, key, merged.into_iter().collect(), upto == LAST_TRIGRAM)?;
            next = upto + 1;
        }
        Ok(())
    }

    /// Removes a chunk that is in a block.
    fn forget(&mut self, number: OrganizationNumber, key: Key, postings: Postings) -> Result<(), Error> {
        loop {
            let upto = self.some_trigrams(postings, 0)?;
            self.write(Step::Forget { number, key, upto, last: upto == LAST_TRIGRAM })?;
            if upto == LAST_TRIGRAM {
                return Ok(());
            }
        }
    }

    /// The trigram up to which it is a slice from this one on; the greatest there is where that is all.
    fn some_trigrams(&self, postings: Postings, from: u32) -> Result<u32, Error> {
        let sql = "select place from search_posting where place between ?1 and ?2 order by place limit 1 offset ?3";
        let range = params![postings.place(from), postings.place(LAST_TRIGRAM), SLICE as i64 - 1];
        let last: Option<i64> =
            self.readers.with(|reader| Ok(reader.prepare(sql)?.query_row(range, |row| row.get(0)).optional()?))?;
        Ok(last.map_or(LAST_TRIGRAM, |last| (last - postings.place(0)) as u32))
    }

    /// Writes postings, slice by slice; the chunk or block is finished after them if they are its last.
    fn post(
        &self,
        number: OrganizationNumber,
        generation: Generation,
        key: Key,
        postings: Vec<Posting>,
        are_last: bool,
    ) -> Result<(), Error> {
        let mut postings = postings.into_iter().peekable();
        loop {
            let mut bytes = 0;
            let mut slice = Vec::new();
            while bytes < SLICE_BYTES && slice.len() < SLICE {
                let Some(posting) = postings.next() else { break };
                bytes += posting.1.len();
                slice.push(posting);
            }
            let is_over = postings.peek().is_none();
            self.write(Step::Post { number, generation, key, postings: slice, last: are_last && is_over })?;
            if is_over {
                return Ok(());
            }
        }
    }

    fn write(&self, step: Step) -> Result<(), Error> {
        self.jobs.ask(Work::Index(step)).map(drop)
    }
}

/// Until when the indexer waits for its turn to read; what it could not do is found again by the next patrol.
fn soon() -> Instant {
    Instant::now() + PATROL
}

/// Fills it from `first_name, last_name, email, phone`, from column `at` on.
pub(super) fn fill(haystack: &mut Haystack, row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<()> {
    let text = |column: usize| row.get_ref(at + column).and_then(|value| Ok(value.as_str_or_null()?));
    haystack.fill(text(0)?.unwrap_or_default(), text(1)?.unwrap_or_default(), text(2)?, text(3)?);
    Ok(())
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
        fill(&mut haystack, row, 1)?;
        occurrences.extend(trigrams(haystack.as_str()).map(|trigram| u64::from(trigram) << 16 | offset));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::trigrams_of;

    #[test]
    fn trigrams_are_each_three_bytes_once() {
        assert!(trigrams_of("ab").is_empty());
        assert_eq!(trigrams_of("abc"), [0x61_62_63]);
        assert_eq!(trigrams_of("aaaa"), [0x61_61_61]);
        assert!(trigrams_of("é").is_empty());
        assert_eq!(trigrams_of("éa"), [0xc3_a9_61]);
    }
}
