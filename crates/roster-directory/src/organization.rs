//! A care organization: the tenant. Everything else belongs to exactly one.

use std::{fmt, str::FromStr};

use jiff::tz::TimeZoneDatabase;
use phonenumber::country::Id;

use crate::{Flaw, OrganizationId, Timestamp, text::text_type};

text_type!(
    /// What the organization calls itself.
    OrganizationName, 200, line
);

/// A country, as ISO 3166-1 has it in two letters: by whose plan phone numbers without a `+` are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country(Id);

impl Country {
    /// Takes two capital letters that name a country with a numbering plan.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let id = text.parse().map_err(|_| "Must be an ISO 3166-1 country code of two letters, such as US");
        id.map(Self).map_err(Flaw::malformed)
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    pub(crate) fn id(self) -> Id {
        self.0
    }
}

impl Default for Country {
    /// The United States.
    fn default() -> Self {
        Self(Id::US)
    }
}

impl FromStr for Country {
    type Err = Flaw;

    fn from_str(text: &str) -> Result<Self, Flaw> {
        Self::parse(text)
    }
}

/// The name of a time zone of the IANA database: by whose calendar a day begins and ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZone(Box<str>);

impl TimeZone {
    /// Takes a name in any case, and keeps it as the database writes it. The database is the one this binary has inside.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let zone = TimeZoneDatabase::bundled().get(text).ok();
        let name = zone.as_ref().and_then(|zone| zone.iana_name()).filter(|name| *name != "Etc/Unknown");
        name.map(Self::from_stored)
            .ok_or_else(|| Flaw::malformed("Must be an IANA time zone, such as America/New_York"))
    }

    /// What was checked before it was stored.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TimeZone {
    /// New York.
    fn default() -> Self {
        Self("America/New_York".into())
    }
}

impl FromStr for TimeZone {
    type Err = Flaw;

    fn from_str(text: &str) -> Result<Self, Flaw> {
        Self::parse(text)
    }
}

/// One organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its public id.
    pub id: OrganizationId,
    /// What it calls itself.
    pub name: OrganizationName,
    /// By whose plan its phone numbers are read.
    pub country: Country,
    /// Whose calendar day counts.
    pub time_zone: TimeZone,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Organization {
    /// A new one, in the United States until somebody says otherwise.
    pub fn new(id: OrganizationId, name: OrganizationName, created_at: Timestamp) -> Self {
        Self { id, name, country: Country::default(), time_zone: TimeZone::default(), created_at }
    }
}

/// What is to be altered about an organization: what is not set stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `Organization`")]
pub struct Alteration {
    pub name: Option<OrganizationName>,
    pub country: Option<Country>,
    pub time_zone: Option<TimeZone>,
}

impl Alteration {
    /// Of it, what is not so already.
    pub fn of(self, organization: &Organization) -> Self {
        Self {
            name: self.name.filter(|name| *name != organization.name),
            country: self.country.filter(|country| *country != organization.country),
            time_zone: self.time_zone.filter(|zone| *zone != organization.time_zone),
        }
    }

    /// The names of the fields that are set, as the API names them, separated by commas; for the audit trail.
    pub fn fields(&self) -> String {
        let all = [
            (self.name.is_some(), "name"),
            (self.country.is_some(), "country"),
            (self.time_zone.is_some(), "timeZone"),
        ];
        let set: Vec<_> = all.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect();
        set.join(",")
    }

    /// Alters it.
    pub fn apply(self, organization: &mut Organization) {
        let Self { name, country, time_zone } = self;
        organization.name = name.unwrap_or_else(|| organization.name.clone());
        organization.country = country.unwrap_or(organization.country);
        organization.time_zone = time_zone.unwrap_or_else(|| organization.time_zone.clone());
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use phonenumber::metadata::DATABASE;

    use super::{Country, TimeZone};

    #[test]
    fn every_country_has_a_numbering_plan() {
        let letters = || 'A'..='Z';
        let all = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
        let countries: Vec<_> = all.filter(|text| Country::parse(text).is_ok()).collect();
        assert!(countries.len() > 240, "{}", countries.len());
        for country in countries {
            assert!(DATABASE.by_id(&*country).is_some(), "{country}");
        }
        for text in ["", "us", "USA", "U", "ZZ", "UK", "001", "US "] {
            assert!(Country::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_zone_is_one_of_the_iana_database() {
        for (text, name) in [
            ("America/New_York", Some("America/New_York")),
            ("europe/london", Some("Europe/London")),
            ("UTC", Some("UTC")),
            ("Etc/Unknown", None),
            ("EST5EDT4", None),
            ("America", None),
            ("+01:00", None),
            ("../../etc/passwd", None),
            ("", None),
        ] {
            assert_eq!(TimeZone::parse(text).ok().as_ref().map(TimeZone::as_str), name, "{text}");
        }
    }
}
