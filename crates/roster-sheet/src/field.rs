//! What a column can stand for, and how people title such a column.

use std::fmt;

/// What a column stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the API's own names")]
pub enum Field {
    PublicId,
    FirstName,
    LastName,
    /// Both names in one cell.
    FullName,
    Email,
    Role,
    PhoneNumber,
    NpiNumber,
    ShouldSendSms,
    RecertificationDate,
    ProviderPayors,
    Sex,
    CaregiverId,
    BirthDate,
    AddressLine1,
    AddressLine2,
    City,
    State,
    PostalCode,
    ExternalId,
    /// A name within `metadata`.
    Metadata(String),
}

use Field::*;

/// Each field, its name, and the titles by which it is known: in small letters and digits only.
const TITLES: [(Field, &str, &[&str]); 20] = [
    (PublicId, "publicId", &["publicid", "rosterid"]),
    (
        FirstName,
        "firstName",
        &[
            "firstname",
            "first",
            "fname",
            "givenname",
            "given",
            "forename",
            "preferredname",
            "legalfirstname",
            "vorname",
        ],
    ),
    (
        LastName,
        "lastName",
        &["lastname", "last", "lname", "surname", "familyname", "family", "legallastname", "nachname"],
    ),
    (
        FullName,
        "name",
        &[
            "name",
            "fullname",
            "displayname",
            "employeename",
            "employee",
            "staffname",
            "staffmember",
            "personname",
            "clientname",
            "patientname",
            "providername",
            "caregivername",
            "lastnamefirstname",
            "lastfirst",
            "firstandlastname",
            "firstlast",
            "legalname",
        ],
    ),
    (
        Email,
        "email",
        &[
            "email",
            "emailaddress",
            "emails",
            "mail",
            "workemail",
            "workemailaddress",
            "companyemail",
            "businessemail",
            "contactemail",
            "primaryemail",
            "personalemail",
            "homeemail",
            "emailwork",
            "emailid",
        ],
    ),
    (
        Role,
        "role",
        &[
            "role",
            "title",
            "jobtitle",
            "position",
            "job",
            "jobrole",
            "userrole",
            "usertype",
            "persontype",
            "stafftype",
            "discipline",
            "jobposition",
            "positiontitle",
        ],
    ),
    (
        PhoneNumber,
        "phoneNumber",
        &[
            "phonenumber",
            "phone",
            "phoneno",
            "cell",
            "cellphone",
            "cellphonenumber",
            "cellnumber",
            "mobile",
            "mobilephone",
            "mobilenumber",
            "mobilephonenumber",
            "telephone",
            "telephonenumber",
            "tel",
            "contactnumber",
            "workphone",
            "homephone",
            "primaryphone",
            "handy",
        ],
    ),
    (
        NpiNumber,
        "npiNumber",
        &["npinumber", "npi", "npino", "individualnpi", "providernpi", "type1npi", "nationalprovideridentifier"],
    ),
    (
        ShouldSendSms,
        "shouldSendSMS",
        &[
            "shouldsendsms",
            "sms",
            "sendsms",
            "smsconsent",
            "textconsent",
            "smsoptin",
            "textmessages",
            "oktotext",
            "texting",
        ],
    ),
    (
        RecertificationDate,
        "recertificationDate",
        &[
            "recertificationdate",
            "recertification",
            "recertdate",
            "recert",
            "rbtexpires",
            "rbtexpiration",
            "rbtexpirationdate",
            "rbtexpiry",
            "rbtexp",
            "bcbaexpires",
            "bcbaexpiration",
            "bcbaexpirationdate",
            "certexpires",
            "certexpiration",
            "certexpirationdate",
            "certificationexpires",
            "certificationexpiration",
            "certificationexpirationdate",
            "certificationexpirydate",
            "certificationdue",
            "credentialexpires",
            "credentialexpiration",
            "credentialexpirationdate",
            "expirationdate",
            "expiration",
            "expires",
            "expirydate",
            "renewaldate",
            "recertificationday",
        ],
    ),
    (
        ProviderPayors,
        "providerPayors",
        &[
            "providerpayors",
            "payors",
            "payor",
            "payers",
            "payer",
            "insurances",
            "insurance",
            "insurancecompanies",
            "carriers",
            "insurancecarriers",
            "credentialedwith",
            "panels",
            "insurancepanels",
            "plans",
            "insuranceplans",
        ],
    ),
    (Sex, "sex", &["sex", "gender"]),
    (CaregiverId, "caregiverId", &["caregiverid", "caregiverpublicid"]),
    (BirthDate, "birthDate", &["birthdate", "dob", "dateofbirth", "birthday", "birth", "geburtsdatum"]),
    (
        AddressLine1,
        "addressLine1",
        &["addressline1", "address1", "address", "street", "streetaddress", "street1", "homeaddress", "mailingaddress"],
    ),
    (AddressLine2, "addressLine2", &["addressline2", "address2", "street2", "apt", "apartment", "suite", "unit"]),
    (City, "city", &["city", "town", "municipality", "ort"]),
    (State, "state", &["state", "province", "region", "stateprovince"]),
    (PostalCode, "postalCode", &["postalcode", "zip", "zipcode", "postcode", "zippostalcode", "postal", "plz"]),
    (
        ExternalId,
        "externalId",
        &[
            "externalid",
            "employeeid",
            "employeenumber",
            "employeeno",
            "empid",
            "empno",
            "staffid",
            "personid",
            "clientid",
            "patientid",
            "mrn",
            "personnelnumber",
            "payrollid",
            "hrid",
            "badgenumber",
            "associateid",
            "fileno",
            "filenumber",
        ],
    ),
];

/// Columns that Roster writes and does not take back: what they say follows from the others, or is no value.
const NOT_TAKEN: [&str; 16] = [
    "status",
    "npiStatus",
    "createdAt",
    "updatedAt",
    "deactivatedAt",
    "deactivationReason",
    "recertificationDay",
    "credentials",
    "organization",
    "organizationName",
    "_row",
    "_status",
    "_publicId",
    "_errors",
    "_warnings",
    "_batch",
];

impl Field {
    /// The field of this name, as `--map` and a saved mapping write it.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(name) = name.strip_prefix("metadata.") {
            return (!name.is_empty()).then(|| Metadata(name.to_owned()));
        }
        TITLES.iter().find(|(_, own, _)| *own == name).map(|(field, ..)| field.clone())
    }

    /// What a column of this title stands for, if that is known.
    pub fn of_title(title: &str) -> Option<Self> {
        if let Some(name) = title.strip_prefix("metadata.") {
            return (!name.is_empty()).then(|| Metadata(name.to_owned()));
        }
        if is_not_taken(title) {
            return None;
        }
        let title = folded(title);
        TITLES.iter().find(|(_, _, titles)| titles.contains(&&*title)).map(|(field, ..)| field.clone())
    }

    /// Its name, unless it is one within `metadata`.
    pub fn name(&self) -> Option<&'static str> {
        TITLES.iter().find(|(field, ..)| field == self).map(|(_, name, _)| *name)
    }

    /// All names but those within `metadata`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TITLES.iter().map(|(_, name, _)| *name)
    }
}

/// Whether Roster writes a column of this title, and does not take it back.
pub fn is_not_taken(title: &str) -> bool {
    NOT_TAKEN.contains(&title)
}

/// A title without case, spaces and signs: `E-mail address *` and `NPI #` are `emailaddress` and `npi`.
fn folded(title: &str) -> String {
    title.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Metadata(name) => write!(f, "metadata.{name}"),
            other => f.write_str(other.name().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_column_is_known_by_many_titles() {
        for (title, field) in [
            ("First Name", FirstName),
            ("Given name", FirstName),
            ("fname", FirstName),
            ("LAST_NAME", LastName),
            ("Work Email", Email),
            ("E-mail address *", Email),
            ("Cell", PhoneNumber),
            ("Title", Role),
            ("NPI #", NpiNumber),
            ("NPI No.", NpiNumber),
            ("RBT expires", RecertificationDate),
            ("Insurances", ProviderPayors),
            ("Zip Code", PostalCode),
            ("D.O.B.", BirthDate),
            ("Employee ID", ExternalId),
            ("metadata.team", Metadata("team".to_owned())),
        ] {
            assert_eq!(Field::of_title(title), Some(field), "{title}");
        }
        for title in ["", "Shoe size", "metadata.", "status", "_row", "_publicId", "Middle name"] {
            assert_eq!(Field::of_title(title), None, "{title}");
        }
    }

    #[test]
    fn every_field_is_found_by_its_name_and_every_title_stands_for_one() {
        let mut seen = HashSet::new();
        for (field, name, titles) in &TITLES {
            assert_eq!(Field::parse(name).as_ref(), Some(field));
            assert_eq!(Field::of_title(name).as_ref(), Some(field));
            assert_eq!(field.to_string(), *name);
            for title in *titles {
                assert_eq!(*title, folded(title));
                assert!(seen.insert(*title), "{title} stands twice");
            }
        }
    }
}
