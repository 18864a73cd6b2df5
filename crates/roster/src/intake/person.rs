//! What the cells of a row say of somebody, in the words of a create or a PATCH.

use roster_directory::{
    Flaw, Issue, Organization, PayorId, Role, UserId,
    issue::Code,
    organization::Country,
    payor::Payor,
    user::{Metadata, Patch},
};
use roster_sheet::{
    Cell, Field, Row, Table,
    date::{self, Century, Order},
    value::{self, Digits, Titles, both_names, several, us_postal_code, yes_or_no},
};

use crate::{
    app::import::Given,
    http::{self, FIELDS, Value},
};

/// How the cells of an organization's file are read.
pub(crate) struct Reading {
    /// The order of days that are all numbers, and whether somebody said so.
    order: (Order, bool),
    /// Nobody is born after it.
    this_year: i16,
    country: Country,
    titles: Titles,
    payors: Vec<Payor>,
    /// An empty cell removes what is known.
    clear_empty: bool,
}

/// What a row says.
pub(super) struct Person {
    pub(super) given: Result<Given, Vec<Issue>>,
    pub(super) said: Vec<Said>,
}

/// What was read otherwise than it stands in the cell.
pub(crate) struct Said {
    pub(crate) field: &'static str,
    /// What there is to know of it, without anybody's data.
    pub(crate) why: &'static str,
    /// What it was read as.
    read_as: String,
}

impl Said {
    /// With what it was read as: for whoever gave it.
    pub(super) fn shown(&self) -> String {
        format!("{}: read as {}", self.field, self.read_as)
    }
}

/// Whether a result that is given again says that this row was done.
pub(super) fn is_done(table: &Table, row: &Row) -> bool {
    let column = table.titles.iter().position(|title| title == "_status");
    column.is_some_and(|column| super::result::is_done(&row.cell(column).text()))
}

impl Reading {
    /// As the organization writes, unless the order of days is said; `this_year` as its calendar has it.
    pub(crate) fn of(
        organization: &Organization,
        this_year: i16,
        payors: Vec<Payor>,
        dates: Option<Order>,
        titles: Titles,
        clear_empty: bool,
    ) -> Self {
        let country = organization.country;
        let order = (dates.unwrap_or(Order::of_country(country.as_str())), dates.is_some());
        Self { order, this_year, country, titles, payors, clear_empty }
    }

    pub(super) fn read(&self, table: &Table, row: &Row) -> Person {
        let mut cells = Cells { reading: self, said: Vec::new(), issues: Vec::new() };
        let mut values: [Value<'_>; FIELDS.len()] = Default::default();
        let (mut id, mut role, mut metadata) = (None, None, Vec::new());
        for (column, field) in table.mapping.columns.iter().enumerate() {
            let Some(field) = field else { continue };
            let cell = row.cell(column);
            if value::is_nothing(cell, field) {
                match field {
                    Field::Metadata(name) if self.clear_empty => metadata.push((name.clone(), None)),
                    field if self.clear_empty && may_be_cleared(field) => set(&mut values, field, Value::Null),
                    _ => {}
                }
                continue;
            }
            match field {
                Field::PublicId => id = cells.id(cell),
                Field::Role => role = cells.role(cell),
                Field::FullName => cells.full_name(cell, &mut values),
                Field::Metadata(name) => metadata.extend(cells.metadata(name, cell)),
                field => {
                    if let Some(value) = cells.value(field, cell) {
                        set(&mut values, field, value);
                    }
                }
            }
        }
        let Cells { said, mut issues, .. } = cells;
        let given = match http::cells(&values) {
            Ok(patch) if issues.is_empty() => {
                let patch = Patch { role, ..patch };
                Ok(Given { id, patch, metadata })
            }
            read => {
                issues.extend(read.err().into_iter().flatten());
                Err(issues)
            }
        };
        Person { given, said }
    }
}

/// What everybody has stays where nothing is given: as PATCH refuses `null` for it.
fn may_be_cleared(field: &Field) -> bool {
    use Field::*;
    !matches!(field, PublicId | FirstName | LastName | FullName | Role | ShouldSendSms)
}

fn set<'a>(values: &mut [Value<'a>; FIELDS.len()], field: &Field, value: Value<'a>) {
    if let Some(place) = FIELDS.iter().position(|known| field.name() == Some(known)) {
        values[place] = value;
    }
}

/// Reads cells, and keeps what is to be said of them.
struct Cells<'r> {
    reading: &'r Reading,
    said: Vec<Said>,
    issues: Vec<Issue>,
}

impl Cells<'_> {
    /// The value that a body would have; `None` if something is wrong with the cell.
    fn value<'a>(&mut self, field: &Field, cell: &'a Cell) -> Option<Value<'a>> {
        if let Cell::Error(error) = cell {
            return self.wrong(field, format!("The formula in it fails ({error})"));
        }
        match field {
            Field::PhoneNumber | Field::NpiNumber | Field::ExternalId | Field::CaregiverId => {
                self.digits(field, cell).map(Value::String)
            }
            Field::PostalCode => {
                let digits = self.digits(field, cell)?;
                match us_postal_code(&digits).filter(|_| self.reading.country == Country::default()) {
                    Some(with_zeros) => {
                        let why = "the zeros that a spreadsheet drops were put back";
                        self.said.push(Said { field: "postalCode", why, read_as: with_zeros.clone() });
                        Some(Value::String(with_zeros.into()))
                    }
                    None => Some(Value::String(digits)),
                }
            }
            Field::ShouldSendSms => match yes_or_no(cell) {
                Some(value) => Some(Value::Boolean(value)),
                None => self.wrong(field, "Write yes or no".to_owned()),
            },
            Field::RecertificationDate if is_moment(&cell.text()) => Some(Value::String(cell.text())),
            Field::RecertificationDate => {
                self.day(field, cell, Century::Any).map(|day| Value::String(format!("{day}T00:00:00Z").into()))
            }
            Field::BirthDate => {
                let day = self.day(field, cell, Century::NotAfter(self.reading.this_year))?;
                Some(Value::String(day.to_string().into()))
            }
            Field::ProviderPayors => Some(Value::texts(self.payors(&cell.text()))),
            _ => Some(Value::String(cell.text())),
        }
    }

    fn digits<'a>(&mut self, field: &Field, cell: &'a Cell) -> Option<std::borrow::Cow<'a, str>> {
        match value::digits(cell) {
            Digits::Whole(digits) => Some(digits),
            Digits::Shortened => {
                let why = "The spreadsheet shortened this number, and its last digits are lost. Format the column as text, \
                           and enter it again";
                self.wrong(field, why.to_owned())
            }
        }
    }

    fn day(&mut self, field: &Field, cell: &Cell, century: Century) -> Option<jiff::civil::Date> {
        let (order, is_said) = self.reading.order;
        let read = match cell {
            Cell::Day(day) => return Some(*day),
            // The number that Excel has for a day, in a cell that was not formatted as one.
            Cell::Number(number) if number.fract() == 0.0 => date::serial(*number as i32).map(|day| (day, false)),
            Cell::Text(text) => date::read(text, order, century).map(|read| (read.day, read.is_ambiguous)),
            _ => None,
        };
        let Some((day, is_ambiguous)) = read else {
            return self.wrong(field, format!("Write a day as {}, or as 2027-03-15", order.example()));
        };
        if is_ambiguous && !is_said {
            let why = "month and day could be the other way round; say --dates mdy or --dates dmy";
            let field = if *field == Field::BirthDate { "birthDate" } else { "recertificationDate" };
            self.said.push(Said { field, why, read_as: day.strftime("%B %-d, %Y").to_string() });
        }
        Some(day)
    }

    /// The payors of a cell, by id where they are known.
    fn payors(&self, text: &str) -> Vec<String> {
        let known = |name: &str| {
            let named = |payor: &&Payor| PayorId::parse(name) == Some(payor.id) || payor.name.is_taken_by(name);
            self.reading.payors.iter().find(named).map(|payor| payor.id.to_string())
        };
        // A name may have a comma in it.
        match known(text.trim()) {
            Some(id) => vec![id],
            None => several(text).into_iter().map(|name| known(name).unwrap_or_else(|| name.to_owned())).collect(),
        }
    }

    fn id(&mut self, cell: &Cell) -> Option<UserId> {
        UserId::parse(&cell.text()).or_else(|| self.flaw(&Field::PublicId, Flaw::malformed("Invalid publicId format")))
    }

    fn role(&mut self, cell: &Cell) -> Option<Role> {
        self.reading.titles.role(&cell.text()).or_else(|| {
            let roles: Vec<_> = Role::ASSIGNABLE.iter().map(|role| role.as_str()).collect();
            let why = format!(
                "No role is known by this title. Write one of {}, or say what the title means with --role-map 'Title=ROLE'",
                roles.join(", ")
            );
            self.flaw(&Field::Role, Flaw::new(Code::InvalidEnumValue, why))
        })
    }

    fn full_name<'a>(&mut self, cell: &Cell, values: &mut [Value<'a>; FIELDS.len()]) {
        match both_names(&cell.text()) {
            Some((first, last)) => {
                set(values, &Field::FirstName, Value::String(first.into()));
                set(values, &Field::LastName, Value::String(last.into()));
            }
            None => drop(self.wrong::<()>(&Field::FullName, "Write the first and the last name".to_owned())),
        }
    }

    fn metadata(&mut self, name: &str, cell: &Cell) -> Option<(String, Option<String>)> {
        let text = cell.text().into_owned();
        let mut flaws = Metadata::check_name(name);
        flaws.extend(Metadata::check_value(&text));
        let is_fine = flaws.is_empty();
        self.issues.extend(flaws.into_iter().map(|flaw| flaw.at(["metadata", name])));
        is_fine.then(|| (name.to_owned(), Some(text)))
    }

    fn wrong<T>(&mut self, field: &Field, why: String) -> Option<T> {
        self.flaw(field, Flaw::new(Code::Custom, why))
    }

    fn flaw<T>(&mut self, field: &Field, flaw: Flaw) -> Option<T> {
        self.issues.push(flaw.at([&*field.to_string()]));
        None
    }
}

/// A moment of RFC 3339, as an export writes it: its offset says on which day it is.
fn is_moment(text: &str) -> bool {
    roster_directory::credential::RecertificationDate::parse(text).is_ok()
}
