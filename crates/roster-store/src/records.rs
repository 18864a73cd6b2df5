//! The columns of a noun, once for both engines: in which order they are written and read.

pub(crate) mod user;

/// What takes a row's values, column after column.
pub(crate) trait Sink<'a> {
    fn text(&mut self, value: Option<&'a str>);
    /// Text that is stored nowhere else.
    fn made(&mut self, value: Option<String>);
    fn number(&mut self, value: Option<i64>);
    fn medium(&mut self, value: i32);
    fn small(&mut self, value: i16);
    fn flag(&mut self, value: Option<bool>);
}

/// What a row's values are read from, by the number of the column.
pub(crate) trait Source {
    type Error;

    fn text(&self, column: usize) -> Result<Option<&str>, Self::Error>;
    fn number(&self, column: usize) -> Result<Option<i64>, Self::Error>;
    fn medium(&self, column: usize) -> Result<i32, Self::Error>;
    fn small(&self, column: usize) -> Result<i16, Self::Error>;
    fn flag(&self, column: usize) -> Result<bool, Self::Error>;
    /// What does not have its form was not written by Roster.
    fn corrupt(column: usize) -> Self::Error;
}

/// Reads a row from the left to the right. Text was checked before it was stored, and is not checked again.
pub(crate) struct Cursor<'a, S> {
    source: &'a S,
    next: usize,
}

impl<'a, S: Source> Cursor<'a, S> {
    pub(crate) fn over(source: &'a S) -> Self {
        Self { source, next: 0 }
    }

    fn step(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    pub(crate) fn text(&mut self) -> Result<Option<&'a str>, S::Error> {
        let column = self.step();
        self.source.text(column)
    }

    /// Text that is there, as what it stands for.
    pub(crate) fn parsed<T>(&mut self, parse: impl FnOnce(&'a str) -> Option<T>) -> Result<T, S::Error> {
        let column = self.next;
        self.text()?.and_then(parse).ok_or_else(|| S::corrupt(column))
    }

    /// Text that may be there, as what it stands for.
    pub(crate) fn parsed_if_set<T>(&mut self, parse: impl FnOnce(&'a str) -> Option<T>) -> Result<Option<T>, S::Error> {
        let column = self.next;
        self.text()?.map(|text| parse(text).ok_or_else(|| S::corrupt(column))).transpose()
    }

    pub(crate) fn number(&mut self) -> Result<Option<i64>, S::Error> {
        let column = self.step();
        self.source.number(column)
    }

    pub(crate) fn medium(&mut self) -> Result<i32, S::Error> {
        let column = self.step();
        self.source.medium(column)
    }

    /// A small number, as what it stands for.
    pub(crate) fn small<T>(&mut self, of: impl FnOnce(u8) -> Option<T>) -> Result<T, S::Error> {
        let column = self.step();
        let number = u8::try_from(self.source.small(column)?).ok();
        number.and_then(of).ok_or_else(|| S::corrupt(column))
    }

    pub(crate) fn flag(&mut self) -> Result<bool, S::Error> {
        let column = self.step();
        self.source.flag(column)
    }
}
