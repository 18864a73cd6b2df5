//! The columns of a user.

use std::sync::LazyLock;

use roster_directory::{
    Timestamp, User, UserId,
    credential::{Day, RecertificationDate},
    npi::NpiNumber,
    phone::PhoneNumber,
    user::{Deactivation, Demographics, Email, ExternalId, Line, Metadata, PersonName, Profile, Reason},
};

use super::{Cursor, Sink, Source};
use crate::bucket::Bucket;

/// The columns of a [`Profile`].
macro_rules! profile_columns {
    () => {
        "id, first_name, last_name, bucket, sex, caregiver, birth_date, address_line1, address_line2, city, state, \
         postal_code, version"
    };
}
pub(crate) use profile_columns;

/// The columns of a [`User`], its profile's first. Its moments, and its payors, each engine keeps in its own way.
macro_rules! user_columns {
    () => {
        concat!(
            crate::records::user::profile_columns!(),
            ", email, phone, npi, sms, recertify_at, recertify_day, external_id, metadata, deactivated_at, \
             deactivation_reason"
        )
    };
}
pub(crate) use user_columns;

/// How many columns [`profile_columns!`] names.
pub(crate) const PROFILE_COLUMNS: usize = 13;

/// How many columns [`user_columns!`] names.
pub(crate) const USER_COLUMNS: usize = 23;

/// What is written of a user: its columns, and what is computed of them.
pub(crate) static WRITTEN: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| concat!(user_columns!(), ", email_key, npi_valid").split(", ").collect());

/// Writes a user, in the order of [`WRITTEN`].
pub(crate) fn put<'a>(user: &'a User, to: &mut impl Sink<'a>) {
    let more = &user.demographics;
    let line = |line: &'a Option<Line>| line.as_ref().map(Line::as_str);
    to.text(Some(user.id.as_str()));
    to.text(Some(user.first_name.as_str()));
    to.text(Some(user.last_name.as_str()));
    to.small(i16::from(Bucket::of(user).number()));
    to.text(line(&more.sex));
    to.text(more.caregiver.as_ref().map(UserId::as_str));
    to.made(more.birth_date.map(|day| day.to_string()));
    to.text(line(&more.address_line1));
    to.text(line(&more.address_line2));
    to.text(line(&more.city));
    to.text(line(&more.state));
    to.text(line(&more.postal_code));
    to.medium(user.version as i32);

    to.text(user.email.as_ref().map(Email::as_str));
    to.text(user.phone.as_ref().map(PhoneNumber::as_str));
    to.text(user.npi.as_ref().map(NpiNumber::as_str));
    to.flag(Some(user.should_send_sms));
    to.number(user.recertification.map(|date| date.at().as_millis()));
    to.made(user.recertification.map(|date| date.day().to_string()));
    to.text(user.external_id.as_ref().map(ExternalId::as_str));
    to.made(user.metadata.to_stored());
    to.number(user.deactivated.as_ref().map(|deactivated| deactivated.at.as_millis()));
    to.text(user.deactivated.as_ref().and_then(|deactivated| deactivated.reason.as_ref()).map(Reason::as_str));

    to.made(user.email.as_ref().map(|email| email.key().as_str().to_owned()));
    to.flag(user.npi.as_ref().map(NpiNumber::is_valid));
}

/// Reads [`profile_columns!`].
pub(crate) fn profile<S: Source>(row: &S) -> Result<Profile, S::Error> {
    profile_at(&mut Cursor::over(row))
}

fn profile_at<S: Source>(row: &mut Cursor<'_, S>) -> Result<Profile, S::Error> {
    let line = |text: &str| Some(Line::from_stored(text));
    let id = row.parsed(UserId::parse)?;
    let first_name = row.parsed(|text| Some(PersonName::from_stored(text)))?;
    let last_name = row.parsed(|text| Some(PersonName::from_stored(text)))?;
    let bucket = row.small(Bucket::from_number)?;
    let demographics = Demographics {
        sex: row.parsed_if_set(line)?,
        caregiver: row.parsed_if_set(UserId::parse)?,
        birth_date: row.parsed_if_set(|text| Day::parse(text).ok())?,
        address_line1: row.parsed_if_set(line)?,
        address_line2: row.parsed_if_set(line)?,
        city: row.parsed_if_set(line)?,
        state: row.parsed_if_set(line)?,
        postal_code: row.parsed_if_set(line)?,
    };
    let (role, status, version) = (bucket.role(), bucket.status(), row.medium()? as u32);
    Ok(Profile { id, first_name, last_name, role, status, demographics, version })
}

/// Reads [`user_columns!`]. Its moments and its payors are to be filled in.
pub(crate) fn user<S: Source>(row: &S) -> Result<User, S::Error> {
    let mut row = Cursor::over(row);
    let Profile { id, first_name, last_name, role, status: _, demographics, version } = profile_at(&mut row)?;
    let email = row.parsed_if_set(|text| Some(Email::from_stored(text)))?;
    let phone = row.parsed_if_set(|text| Some(PhoneNumber::from_stored(text)))?;
    let npi = row.parsed_if_set(|text| Some(NpiNumber::from_stored(text)))?;
    let should_send_sms = row.flag()?;
    let at = row.number()?.map(Timestamp::from_millis);
    let day = row.parsed_if_set(|text| Day::parse(text).ok())?;
    let external_id = row.parsed_if_set(|text| Some(ExternalId::from_stored(text)))?;
    let metadata = row.parsed_if_set(Metadata::from_stored)?.unwrap_or_default();
    let deactivated_at = row.number()?.map(Timestamp::from_millis);
    let reason = row.parsed_if_set(|text| Some(Reason::from_stored(text)))?;
    let never = Timestamp::from_millis(0);
    Ok(User {
        id,
        first_name,
        last_name,
        email,
        role,
        phone,
        npi,
        should_send_sms,
        recertification: at.zip(day).map(|(at, day)| RecertificationDate::from_parts(at, day)),
        demographics,
        payors: Vec::new(),
        external_id,
        metadata,
        deactivated: deactivated_at.map(|at| Deactivation { at, reason }),
        version,
        created_at: never,
        updated_at: never,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use roster_directory::Role;

    /// Values as they come, and as they are read again.
    #[derive(Default)]
    struct Row(Vec<Value>);

    enum Value {
        Text(Option<String>),
        Number(Option<i64>),
    }

    impl<'a> Sink<'a> for Row {
        fn text(&mut self, value: Option<&'a str>) {
            self.made(value.map(str::to_owned));
        }
        fn made(&mut self, value: Option<String>) {
            self.0.push(Value::Text(value));
        }
        fn number(&mut self, value: Option<i64>) {
            self.0.push(Value::Number(value));
        }
        fn medium(&mut self, value: i32) {
            self.number(Some(value.into()));
        }
        fn small(&mut self, value: i16) {
            self.number(Some(value.into()));
        }
        fn flag(&mut self, value: Option<bool>) {
            self.number(value.map(i64::from));
        }
    }

    impl Source for Row {
        type Error = usize;

        fn text(&self, column: usize) -> Result<Option<&str>, usize> {
            match &self.0[column] {
                Value::Text(text) => Ok(text.as_deref()),
                Value::Number(_) => Err(column),
            }
        }
        fn number(&self, column: usize) -> Result<Option<i64>, usize> {
            match &self.0[column] {
                Value::Number(number) => Ok(*number),
                Value::Text(_) => Err(column),
            }
        }
        fn medium(&self, column: usize) -> Result<i32, usize> {
            Ok(self.number(column)?.ok_or(column)? as i32)
        }
        fn small(&self, column: usize) -> Result<i16, usize> {
            Ok(self.number(column)?.ok_or(column)? as i16)
        }
        fn flag(&self, column: usize) -> Result<bool, usize> {
            Ok(self.number(column)?.ok_or(column)? != 0)
        }
        fn corrupt(column: usize) -> usize {
            column
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let line = |text: &str| Some(Line::from_stored(text));
        let moment = Timestamp::from_millis(0);
        let user = User {
            id: UserId::new(Timestamp::from_millis(7_000), 1),
            first_name: PersonName::from_stored("first"),
            last_name: PersonName::from_stored("last"),
            email: Some(Email::from_stored("E@example.com")),
            role: Role::ClinicalAdmin,
            phone: Some(PhoneNumber::from_stored("phone")),
            npi: Some(NpiNumber::from_stored("npi")),
            should_send_sms: true,
            recertification: RecertificationDate::parse("2027-03-15T00:00:00Z").ok(),
            demographics: Demographics {
                sex: line("sex"),
                caregiver: Some(UserId::new(Timestamp::from_millis(8_000), 2)),
                birth_date: Day::parse("1980-02-29").ok(),
                address_line1: line("one"),
                address_line2: line("two"),
                city: line("city"),
                state: line("state"),
                postal_code: line("postal"),
            },
            payors: Vec::new(),
            external_id: Some(ExternalId::from_stored("external")),
            metadata: Metadata::of_checked([("a".to_owned(), "b".to_owned())]),
            deactivated: Some(Deactivation {
                at: Timestamp::from_millis(9_000),
                reason: Some(Reason::from_stored("reason")),
            }),
            version: 3,
            created_at: moment,
            updated_at: moment,
        };
        let mut row = Row::default();
        put(&user, &mut row);
        assert_eq!(row.0.len(), WRITTEN.len());
        assert_eq!(self::user(&row), Ok(user.clone()));
        assert_eq!(profile(&row), Ok(Profile::from(user)));
        assert_eq!(profile_columns!().split(", ").count(), PROFILE_COLUMNS);
        assert_eq!(user_columns!().split(", ").count(), USER_COLUMNS);
    }
}
