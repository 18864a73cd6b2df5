//! The columns of a sheet of users: those that an import reads, and some that it passes over.

use std::borrow::Cow;

use roster_directory::{
    PayorId, User, UserId,
    npi::NpiNumber,
    phone::PhoneNumber,
    user::{Email, ExternalId, Line},
};

/// One column.
pub(super) struct Column {
    /// Its title, by which an import knows it.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// How wide it is in a workbook, in characters.
    pub(super) width: u8,
}

/// What a workbook has in a column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A yes or a no.
    Flag,
    /// A day.
    Day,
    /// A day where it begins in UTC, else a moment as text: a workbook's days have no offset.
    Due,
    /// A moment, in UTC.
    Moment,
}

const fn column(name: &'static str, kind: Kind, width: u8) -> Column {
    Column { name, kind, width }
}

/// In their order. `metadata` is not among them: each of its names would be a column of its own.
pub(super) const ALL: [Column; 23] = [
    column("publicId", Kind::Text, 26),
    column("firstName", Kind::Text, 18),
    column("lastName", Kind::Text, 18),
    column("email", Kind::Text, 30),
    column("role", Kind::Text, 20),
    column("status", Kind::Text, 13),
    column("phoneNumber", Kind::Text, 18),
    column("npiNumber", Kind::Text, 13),
    column("shouldSendSMS", Kind::Flag, 15),
    column("recertificationDate", Kind::Due, 20),
    column("providerPayors", Kind::Text, 36),
    column("sex", Kind::Text, 10),
    column("caregiverId", Kind::Text, 26),
    column("birthDate", Kind::Day, 12),
    column("addressLine1", Kind::Text, 28),
    column("addressLine2", Kind::Text, 18),
    column("city", Kind::Text, 18),
    column("state", Kind::Text, 8),
    column("postalCode", Kind::Text, 12),
    column("externalId", Kind::Text, 16),
    column("createdAt", Kind::Moment, 20),
    column("updatedAt", Kind::Moment, 20),
    column("deactivatedAt", Kind::Moment, 20),
];

/// What stands in them, as text.
pub(super) fn of(user: &User) -> [Cow<'_, str>; ALL.len()] {
    let more = &user.demographics;
    [
        user.id.as_str().into(),
        user.first_name.as_str().into(),
        user.last_name.as_str().into(),
        text(user.email.as_ref().map(Email::as_str)),
        user.role.as_str().into(),
        user.status().as_str().into(),
        text(user.phone.as_ref().map(PhoneNumber::as_str)),
        text(user.npi.as_ref().map(NpiNumber::as_str)),
        if user.should_send_sms { "true" } else { "false" }.into(),
        user.recertification.map_or(String::new(), |date| date.to_string()).into(),
        user.payors.iter().map(PayorId::as_str).collect::<Vec<_>>().join("; ").into(),
        line(&more.sex),
        text(more.caregiver.as_ref().map(UserId::as_str)),
        more.birth_date.map_or(String::new(), |day| day.to_string()).into(),
        line(&more.address_line1),
        line(&more.address_line2),
        line(&more.city),
        line(&more.state),
        line(&more.postal_code),
        text(user.external_id.as_ref().map(ExternalId::as_str)),
        user.created_at.to_string().into(),
        user.updated_at.to_string().into(),
        user.deactivated.as_ref().map_or(String::new(), |deactivated| deactivated.at.to_string()).into(),
    ]
}

fn text(text: Option<&str>) -> Cow<'_, str> {
    text.unwrap_or_default().into()
}

fn line(line: &Option<Line>) -> Cow<'_, str> {
    text(line.as_ref().map(Line::as_str))
}

#[cfg(test)]
mod tests {
    use roster_sheet::{Field, field::is_not_taken};

    use super::ALL;

    #[test]
    fn an_import_knows_every_column_by_its_title() {
        for column in ALL {
            let field = Field::of_title(column.name).and_then(|field| field.name());
            assert!(field == Some(column.name) || is_not_taken(column.name), "{}", column.name);
        }
        for name in Field::names().filter(|name| *name != "fullName" && *name != "name") {
            assert!(ALL.iter().any(|column| column.name == name), "{name} is not exported");
        }
    }
}
