//! `roster export`: all users of a list, as a file.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;

use super::{
    note, operator_of,
    user::{Filter, queried},
};
use crate::{
    app::App,
    export::{Exported, Format, export},
};

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    filter: Filter,
    /// What kind of file; without it as FILE ends, else csv
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Where to write it: a file that is not there yet, for nobody else to read. Without it, standard output
    file: Option<PathBuf>,
}

impl Export {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        let format = self.format.or_else(|| self.file.as_deref().and_then(by_ending)).unwrap_or_default();
        if let Some(path) = self.file.as_ref().filter(|path| path.symlink_metadata().is_ok()) {
            bail!("{} is there already; nothing was written", path.display());
        }
        let caller = operator_of(app, self.filter.org).await?;
        let query = queried(self.filter, caller.identity.may_read);
        let exported = export(app, &caller, &query, format).await?;
        let users = exported.users;
        match &self.file {
            Some(path) => {
                written(exported, path).with_context(|| format!("cannot write {}", path.display()))?;
            }
            None => {
                let mut out = BufWriter::new(io::stdout());
                io::copy(&mut &exported.file, &mut out)?;
                out.flush()?;
            }
        }
        note(format_args!("exported {users} users"));
        Ok(())
    }
}

fn by_ending(path: &Path) -> Option<Format> {
    let ending = path.extension()?.to_str()?;
    Format::ALL.into_iter().find(|format| format.as_str().eq_ignore_ascii_case(ending))
}

/// Into a new file, all of it or none.
fn written(exported: Exported, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let copied = io::copy(&mut &exported.file, &mut file).and_then(|_| file.sync_all());
    if copied.is_err() {
        // What is there of it would look like all of it.
        let _ = fs::remove_file(path);
    }
    copied
}
