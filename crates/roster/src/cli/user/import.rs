//! `roster user import`: many users at once, each a line that could be the body of a create.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::PathBuf,
    pin::pin,
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use futures_util::{StreamExt, stream::FuturesOrdered};
use roster_directory::{OrganizationId, UserId, user::Warning};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    super::{note, operator_of},
    told,
};
use crate::{
    app::{Acted, App, Caller, Error},
    http::{self, MAX_BYTES, Unknown},
};

/// Creates under way at once, and so the most that one commit carries.
const AT_ONCE: usize = 2_048;

/// Lines that are read before they can be begun.
const READ_AHEAD: usize = 64;

/// Users whose creation changes what is a good plan.
const MANY: u64 = 10_000;

/// How spreadsheets and PowerShell begin a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The longest end of a line.
const LINE_END: &[u8] = b"\r\n";

#[derive(Debug, Args)]
pub(in super::super) struct Import {
    /// The organization they will belong to
    #[arg(long)]
    org: OrganizationId,
    /// Create nobody, only say what is wrong, and what would be taken with a warning. Whether an email is in use already is
    /// found out at the import itself
    #[arg(long)]
    check: bool,
    /// A file with a user a line, each as it would be sent to POST /api/v1/users; - for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
}

/// What became of a line.
struct Row {
    line: u64,
    outcome: Result<Good, Error>,
    /// Names in it that are no fields.
    unknown: Unknown,
}

/// A line that is taken, or would be.
struct Good {
    /// `None`: it was only checked.
    id: Option<UserId>,
    warnings: Vec<Warning>,
}

impl Import {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        let caller = operator_of(app, self.org).await?;
        let mut lines = Lines::open(&self.file)?.read_aside();
        let mut told_to_end = pin!(told_to_end()?);
        let mut results = BufWriter::new(io::stdout());
        let mut under_way = FuturesOrdered::new();
        let (mut good, mut refused, mut begun, mut ended) = (0_u64, 0_u64, 0_u64, false);
        // What went wrong with more than a line: nothing more is begun, but what is under way is seen to its end.
        let mut stopped = None;
        loop {
            if under_way.is_empty() {
                results.flush()?;
                if ended || stopped.is_some() {
                    break;
                }
            }
            let Row { line, outcome, unknown } = tokio::select! {
                biased;
                () = &mut told_to_end, if stopped.is_none() => {
                    stopped = Some(anyhow!("told to end: what comes after line {begun} was not begun"));
                    continue;
                }
                next = lines.recv(), if !ended && stopped.is_none() && under_way.len() < AT_ONCE => {
                    match next {
                        Some(Ok((line, body))) => {
                            begun = line;
                            under_way.push_back(self.take(app, &caller, line, body));
                        }
                        Some(Err(error)) => stopped = Some(error),
                        None => ended = true,
                    }
                    continue;
                }
                Some(row) = under_way.next(), if !under_way.is_empty() => row,
            };
            ignored(&unknown).for_each(|what| note(format_args!("line {line}: warning: {what}")));
            match outcome {
                Ok(Good { id, warnings }) => {
                    good += 1;
                    if let Some(id) = id {
                        writeln!(results, "{line}\t{id}")?;
                    }
                    warnings
                        .iter()
                        .for_each(|warning| note(format_args!("line {line}: warning: {}", told(warning, self.org))));
                }
                Err(error @ (Error::Invalid(_) | Error::EmailTaken)) => {
                    refused += 1;
                    note(format_args!("line {line}: {error}"));
                }
                Err(error @ Error::Unknown(..)) => {
                    // Each of them is named: they are what somebody has to look for.
                    refused += 1;
                    note(format_args!("line {line}: {error}"));
                    stopped.get_or_insert(anyhow::Error::new(error).context(format!("line {line}")));
                }
                Err(error) => {
                    refused += 1;
                    stopped.get_or_insert(anyhow::Error::new(error).context(format!("line {line}")));
                }
            }
        }
        let lines = good + refused;
        match self.check {
            true => note(format_args!("{good} of {lines} lines are well-formed")),
            false => note(format_args!("created {good} of {lines} users")),
        }
        if good >= MANY
            && !self.check
            && let Err(error) = app.store().analyze().await
        {
            let error = anyhow::Error::new(error);
            note(format_args!("warning: who was created is there, but the database was not analyzed: {error:#}"));
        }
        if let Some(error) = stopped {
            return Err(error.context(match self.check {
                true => "stopped",
                false => "stopped; who was created stays, and is listed by line",
            }));
        }
        if refused > 0 {
            bail!("{refused} of {lines} lines are refused");
        }
        Ok(())
    }

    async fn take(&self, app: &App, caller: &Caller, line: u64, body: Vec<u8>) -> Row {
        let (new, unknown) = http::new_user(&body);
        let outcome = match new.map_err(Error::Invalid) {
            Err(error) => Err(error),
            Ok(new) if self.check => app.check_user(caller, &new).await.map(|warnings| Good { id: None, warnings }),
            Ok(new) => app
                .create_user(caller, new, None)
                .await
                .map(|Acted { user, warnings }| Good { id: Some(user.id), warnings }),
        };
        Row { line, outcome, unknown }
    }
}

/// What of a line was passed over: a mistyped name loses everything that stands under it.
fn ignored(unknown: &Unknown) -> impl Iterator<Item = String> {
    let named = unknown.named().iter().map(|name| format!("there is no field {name}; ignored"));
    let more = Some(unknown.more()).filter(|more| *more > 0);
    named.chain(more.map(|more| format!("more names are no fields ({more}); ignored")))
}

/// Waits for ctrl-C, or for whoever ends processes otherwise.
fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// What a file looks like that is no JSON a line, by how it begins; `None`: its lines are for themselves.
fn other_than_lines(begin: &[u8]) -> Option<&'static str> {
    match begin {
        [0x1f, 0x8b, ..] => return Some("gzip"),
        [b'P', b'K', 3, 4, ..] => return Some("a spreadsheet (XLSX) or another ZIP archive"),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => return Some("a spreadsheet of an old Excel (XLS)"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, b'{', ..] | [b'{', 0, ..] => return Some("text in UTF-16"),
        _ => {}
    }
    let text = begin.strip_prefix(BYTE_ORDER_MARK).unwrap_or(begin).trim_ascii_start();
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    match first {
        [b'[', ..] => Some("one JSON array"),
        [b'{'] => Some("JSON over several lines"),
        [b'{', ..] => None,
        // A line that is cut short is long, and no heading.
        _ if first.iter().any(|byte| matches!(byte, b',' | b';' | b'\t')) => Some("CSV"),
        _ => None,
    }
}

/// The lines of a file that have something on them, each with its number.
struct Lines {
    from: Box<dyn BufRead + Send>,
    number: u64,
}

impl Lines {
    fn open(file: &PathBuf) -> anyhow::Result<Self> {
        let mut from: Box<dyn BufRead + Send> = if file.as_os_str() == "-" {
            Box::new(BufReader::new(io::stdin()))
        } else {
            let open = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
            Box::new(BufReader::with_capacity(1 << 16, open))
        };
        let begin = from.fill_buf().with_context(|| format!("cannot read {}", file.display()))?;
        if let Some(what) = other_than_lines(begin) {
            bail!(
                "{} looks like {what}; wanted is text in UTF-8 with a JSON object on each line, as \
                 {{\"firstName\":\"Ada\",\"lastName\":\"Okafor\"}}",
                file.display()
            );
        }
        Ok(Self { from, number: 0 })
    }

    /// Reads on a thread, which may wait for a terminal or a pipe: whoever ends the import does not.
    fn read_aside(mut self) -> mpsc::Receiver<anyhow::Result<(u64, Vec<u8>)>> {
        let (sender, lines) = mpsc::channel(READ_AHEAD);
        std::thread::spawn(move || {
            while let Some(line) = self.next().transpose() {
                let is_last = line.is_err();
                if sender.blocking_send(line).is_err() || is_last {
                    break;
                }
            }
        });
        lines
    }

    fn next(&mut self) -> anyhow::Result<Option<(u64, Vec<u8>)>> {
        loop {
            self.number += 1;
            let mut line = Vec::with_capacity(512);
            let most = BYTE_ORDER_MARK.len() + MAX_BYTES + LINE_END.len();
            let read = self.from.by_ref().take(most as u64).read_until(b'\n', &mut line);
            if read.with_context(|| format!("cannot read line {}", self.number))? == 0 {
                return Ok(None);
            }
            if line.ends_with(b"\n") {
                line.truncate(line.len() - if line.ends_with(LINE_END) { LINE_END.len() } else { 1 });
            }
            if self.number == 1 && line.starts_with(BYTE_ORDER_MARK) {
                line.drain(..BYTE_ORDER_MARK.len());
            }
            if line.len() > MAX_BYTES {
                bail!("line {} is longer than {MAX_BYTES} bytes", self.number);
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, line)));
            }
        }
    }
}
