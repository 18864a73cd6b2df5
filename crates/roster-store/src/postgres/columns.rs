//! Rows as one statement carries many: column after column, for `unnest`.

use super::connection::Param;
use crate::records::Sink;

/// Rows that all have the same columns. Each is begun, and then given its values in the order of the names.
pub(super) struct Columns<'a> {
    names: Vec<&'static str>,
    columns: Vec<Column<'a>>,
    at: usize,
}

/// What is unique of a row `i` that [`put`](crate::records::user::put) has written: the e-mail of whoever is active.
pub(super) const ACTIVE_KEY: &str = "case when i.deactivated_at is null then i.email_key end";

/// What whoever is not active is found by.
pub(super) const FORMER_KEY: &str = "case when i.deactivated_at is not null then i.email_key end";

/// What a column holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// Text that is stored nowhere else.
    Made,
    Number,
    Medium,
    Small,
    Flag,
    Bytes,
}

enum Column<'a> {
    Text(Vec<Option<&'a str>>),
    Made(Vec<Option<String>>),
    Number(Vec<Option<i64>>),
    Medium(Vec<Option<i32>>),
    Small(Vec<Option<i16>>),
    Flag(Vec<Option<bool>>),
    Bytes(Vec<&'a [u8]>),
}

impl<'a> Columns<'a> {
    /// With these columns, and after them those that the first row has.
    pub(super) fn of(columns: &[(&'static str, Kind)], more: &[&'static str]) -> Self {
        let names = columns.iter().map(|(name, _)| *name).chain(more.iter().copied()).collect();
        let columns = columns.iter().map(|(_, kind)| match kind {
            Kind::Text => Column::Text(Vec::new()),
            Kind::Made => Column::Made(Vec::new()),
            Kind::Number => Column::Number(Vec::new()),
            Kind::Medium => Column::Medium(Vec::new()),
            Kind::Small => Column::Small(Vec::new()),
            Kind::Flag => Column::Flag(Vec::new()),
            Kind::Bytes => Column::Bytes(Vec::new()),
        });
        Self { names, columns: columns.collect(), at: 0 }
    }

    pub(super) fn begin_row(&mut self) {
        self.at = 0;
    }

    /// A number that is not there for everybody.
    pub(super) fn small_if_set(&mut self, value: Option<i16>) {
        match self.next(|| Column::Small(Vec::new())) {
            Column::Small(column) => column.push(value),
            _ => unreachable!("{EACH}"),
        }
    }

    pub(super) fn bytes(&mut self, value: &'a [u8]) {
        match self.next(|| Column::Bytes(Vec::new())) {
            Column::Bytes(column) => column.push(value),
            _ => unreachable!("{EACH}"),
        }
    }

    /// The rows as a table of this name, whose parameters are those after the `before`-th.
    pub(super) fn table(&self, name: &str, before: usize) -> String {
        debug_assert_eq!(self.names.len(), self.columns.len(), "{name}");
        let arrays =
            self.columns.iter().zip(before + 1..).map(|(column, nth)| format!("${nth}::{}[]", column.sql_type()));
        let arrays = arrays.collect::<Vec<_>>().join(", ");
        format!("unnest({arrays}) as {name} ({})", self.names.join(", "))
    }

    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// The arrays, in the order of the names.
    pub(super) fn params(&self) -> impl Iterator<Item = &(dyn Param + '_)> {
        self.columns.iter().map(Column::param)
    }

    fn next(&mut self, new: impl FnOnce() -> Column<'a>) -> &mut Column<'a> {
        if self.at == self.columns.len() {
            self.columns.push(new());
        }
        self.at += 1;
        &mut self.columns[self.at - 1]
    }
}

const EACH: &str = "each row has the same columns";

impl Column<'_> {
    fn sql_type(&self) -> &'static str {
        match self {
            Column::Text(_) | Column::Made(_) => "text",
            Column::Number(_) => "bigint",
            Column::Medium(_) => "integer",
            Column::Small(_) => "smallint",
            Column::Flag(_) => "boolean",
            Column::Bytes(_) => "bytea",
        }
    }

    fn param(&self) -> &(dyn Param + '_) {
        match self {
            Column::Text(column) => column,
            Column::Made(column) => column,
            Column::Number(column) => column,
            Column::Medium(column) => column,
            Column::Small(column) => column,
            Column::Flag(column) => column,
            Column::Bytes(column) => column,
        }
    }
}

impl<'a> Sink<'a> for Columns<'a> {
    fn text(&mut self, value: Option<&'a str>) {
        match self.next(|| Column::Text(Vec::new())) {
            Column::Text(column) => column.push(value),
            _ => unreachable!("{EACH}"),
        }
    }

    fn made(&mut self, value: Option<String>) {
        match self.next(|| Column::Made(Vec::new())) {
            Column::Made(column) => column.push(value),
            _ => unreachable!("{EACH}"),
        }
    }

    fn number(&mut self, value: Option<i64>) {
        match self.next(|| Column::Number(Vec::new())) {
            Column::Number(column) => column.push(value),
            _ => unreachable!("{EACH}"),
        }
    }

    fn medium(&mut self, value: i32) {
        match self.next(|| Column::Medium(Vec::new())) {
            Column::Medium(column) => column.push(Some(value)),
            _ => unreachable!("{EACH}"),
        }
    }

    fn small(&mut self, value: i16) {
        self.small_if_set(Some(value));
    }

    fn flag(&mut self, value: Option<bool>) {
        match self.next(|| Column::Flag(Vec::new())) {
            Column::Flag(column) => column.push(value),
            _ => unreachable!("{EACH}"),
        }
    }
}
