//! A file of people on its way out: what the doors of the export share.
//!
//! All of it is read at one moment, and written to a temporary file without a name. Only then does any of it leave: so whoever
//! gets a file gets all of it, and a slow receiver holds up nobody in the database.

mod columns;
mod sheet;

use std::{
    fs::File,
    io::{self, BufWriter, Seek, SeekFrom, Write},
    sync::{Arc, Weak},
};

use clap::ValueEnum;
use roster_directory::{Organization, Query, User};
use roster_store::Leave;
use tokio::sync::mpsc;

use crate::{
    app::{App, Caller, Error},
    http::WholeUserBody,
};

/// Parts that are read before they can be written.
const READ_AHEAD: usize = 4;

/// How often it is begun: what is read may stand in the way of the write-ahead log.
const ATTEMPTS: u32 = 3;

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// A row for each user, for spreadsheets and for `roster import`
    #[default]
    Csv,
    /// A workbook with the same rows
    Xlsx,
    /// A JSON object a line: the whole user, as the API shows it
    Ndjson,
}

impl Format {
    pub(crate) const ALL: [Format; 3] = [Format::Csv, Format::Xlsx, Format::Ndjson];

    /// As the API and the command line call it, and how the name of such a file ends.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Xlsx => "xlsx",
            Format::Ndjson => "ndjson",
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Format::Ndjson => "application/x-ndjson",
        }
    }
}

/// A file that is complete.
pub(crate) struct Exported {
    /// To be read from its beginning.
    pub(crate) file: File,
    pub(crate) bytes: u64,
    pub(crate) users: u64,
    /// Kept until the file has left: so that there are only so many.
    pub(crate) leave: Leave,
}

/// Writes all users whom a query finds, as they are at one moment, whatever its page.
pub(crate) async fn export(app: &App, caller: &Caller, query: &Query, format: Format) -> Result<Exported, Error> {
    let leave = app.store().may_export(caller.organization()).await?;
    let mut attempt = 1;
    loop {
        // Dropped when the client goes: then nobody needs the file.
        let here = Arc::new(());
        let asked = Arc::downgrade(&here);
        let (to, users) = mpsc::channel(READ_AHEAD);
        let organization = caller.identity.organization.clone();
        let writing = tokio::task::spawn_blocking(move || write(users, format, &organization, &asked));
        let read = app.export_users(caller, query.clone(), to).await;
        let written = writing.await.map_err(|_| Error::from(roster_store::Error::Closed))?;
        match (read, written) {
            (Ok(()), Err(error)) if sheet::is_full(&error) => return Err(Error::NotNow(sheet::FULL)),
            // Where it cannot be written, it is not read on either.
            (_, Err(error)) => return Err(roster_store::Error::Storage(Box::new(error)).into()),
            (Ok(()), Ok((file, bytes, users))) => return Ok(Exported { file, bytes, users, leave }),
            (Err(Error::Busy(_)), Ok(_)) if attempt < ATTEMPTS => attempt += 1,
            (Err(error), Ok(_)) => return Err(error),
        }
    }
}

/// Writes users as they come: the file, its bytes, and how many they were.
fn write(
    mut users: mpsc::Receiver<Vec<User>>,
    format: Format,
    organization: &Organization,
    asked: &Weak<()>,
) -> io::Result<(File, u64, u64)> {
    let mut file = tempfile::tempfile()?;
    let mut written = 0;
    {
        let mut rows = Rows::begin(BufWriter::new(&mut file), format)?;
        while let Some(some) = users.blocking_recv() {
            must_be_wanted(asked)?;
            for user in &some {
                rows.add(user, organization)?;
            }
            written += some.len() as u64;
        }
        rows.end()?;
    }
    if format == Format::Xlsx {
        // Not while it is read: that takes several times as long, and the database would be held.
        file.rewind()?;
        file = sheet::of(file, written, asked)?;
    }
    let bytes = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    Ok((file, bytes, written))
}

fn must_be_wanted(asked: &Weak<()>) -> io::Result<()> {
    match asked.strong_count() {
        0 => Err(io::Error::other("nobody waits for it any more")),
        _ => Ok(()),
    }
}

/// What users are written to.
enum Rows<W: Write> {
    Csv(Box<csv::Writer<W>>),
    /// Records that a workbook is made of.
    Records(Box<csv::Writer<W>>),
    Ndjson(W),
}

impl<W: Write> Rows<W> {
    fn begin(into: W, format: Format) -> io::Result<Self> {
        match format {
            Format::Csv => {
                // RFC 4180 ends lines so.
                let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(into);
                csv.write_record(columns::ALL.map(|column| column.name))?;
                Ok(Rows::Csv(csv.into()))
            }
            Format::Xlsx => Ok(Rows::Records(csv::Writer::from_writer(into).into())),
            Format::Ndjson => Ok(Rows::Ndjson(into)),
        }
    }

    fn add(&mut self, user: &User, organization: &Organization) -> io::Result<()> {
        match self {
            Rows::Csv(csv) => {
                for value in columns::of(user) {
                    csv.write_field(&*roster_sheet::guard::out(&value))?;
                }
                Ok(csv.write_record(None::<&[u8]>)?)
            }
            // No formula is made of a cell of text there.
            Rows::Records(csv) => Ok(csv.write_record(columns::of(user).iter().map(|value| value.as_bytes()))?),
            Rows::Ndjson(into) => {
                into.write_all(&WholeUserBody::of(user, organization).write())?;
                into.write_all(b"\n")
            }
        }
    }

    fn end(self) -> io::Result<()> {
        match self {
            Rows::Csv(mut csv) | Rows::Records(mut csv) => csv.flush(),
            Rows::Ndjson(mut into) => into.flush(),
        }
    }
}
