//! What a body or a query string asks for, or everything that is wrong with it.

use std::borrow::Cow;

use roster_directory::{
    Flaw, Issue, NewUser, Query, Role, RoleSet, UserId,
    credential::{Day, RecertificationDate},
    npi::NpiNumber,
    phone::PhoneNumber,
    query::{Order, Page, Sort, SortKey},
    search::Terms,
    user::{Email, EmailKey, ExternalId, Line, Patch, PersonName, Status},
};

use super::super::{
    body::{Check, Fields, Value},
    params::{CURSOR, PAGE_SIZE, cursor_of, given, options, size_of_page, take, whole_number},
    warning::Unknown,
};
use crate::{app::import::Given, export::Format};

/// Payor ids one user can be created with.
const MAX_PAYORS: usize = 100;

/// Whom a body asks to create, or everything that is wrong with it; and the names in it that nobody knows.
pub(crate) fn new_user(body: &[u8]) -> (Result<NewUser, Vec<Issue>>, Unknown) {
    match Fields::read(body, &FIELDS) {
        Ok(fields) => (changes(&fields.values, Null::Refused).and_then(Patch::into_new), fields.unknown),
        Err(issues) => (Err(issues), Unknown::default()),
    }
}

/// What a body asks to change about a user, or everything that is wrong with it; and the names that nobody knows.
pub(super) fn patch(body: &[u8]) -> (Result<Patch, Vec<Issue>>, Unknown) {
    match Fields::read(body, &FIELDS) {
        Ok(fields) => (changes(&fields.values, Null::Clears), fields.unknown),
        Err(issues) => (Err(issues), Unknown::default()),
    }
}

/// What a line of an import says of somebody, or everything that is wrong with it; and the names that nobody knows.
///
/// Where it may be about somebody who is there, it may say who, and `null` clears.
pub(crate) fn line(body: &[u8], may_be_there: bool) -> (Result<Given, Vec<Issue>>, Unknown) {
    let given = |id, patch| Given { id, patch, metadata: Vec::new() };
    if !may_be_there {
        return match Fields::read(body, &FIELDS) {
            Ok(fields) => (changes(&fields.values, Null::Refused).map(|patch| given(None, patch)), fields.unknown),
            Err(issues) => (Err(issues), Unknown::default()),
        };
    }
    let fields = match Fields::read(body, &FIELDS_AND_ID) {
        Ok(fields) => fields,
        Err(issues) => return (Err(issues), Unknown::default()),
    };
    let (values, id) = (fields.values.first_chunk().expect("there is one more"), &fields.values[FIELDS.len()]);
    let mut check = Check::clearing();
    let id = check.clearable("publicId", id, |text| UserId::parse(text).map(Some).ok_or(malformed_id()));
    let read = match (check.finish(), changes(values, Null::Clears)) {
        (Ok(()), Ok(patch)) => Ok(given(id.flatten(), patch)),
        (Err(mut issues), other) => {
            issues.extend(other.err().into_iter().flatten());
            Err(issues)
        }
        (Ok(()), Err(issues)) => Err(issues),
    };
    (read, fields.unknown)
}

/// What the cells of a row say of somebody, each the value that a body would have: or everything that is wrong with them.
pub(crate) fn cells(values: &[Value<'_>; FIELDS.len()]) -> Result<Patch, Vec<Issue>> {
    changes(values, Null::Clears)
}

fn malformed_id() -> Flaw {
    Flaw::malformed("Invalid publicId format")
}

/// The same, and last whom it is about.
const FIELDS_AND_ID: [&str; FIELDS.len() + 1] = {
    let mut all = ["publicId"; FIELDS.len() + 1];
    let mut field = 0;
    while field < FIELDS.len() {
        all[field] = FIELDS[field];
        field += 1;
    }
    all
};

/// The documented fields, and then those that Roster adds.
pub(crate) const FIELDS: [&str; 19] = [
    "firstName",
    "lastName",
    "email",
    "role",
    "phoneNumber",
    "npiNumber",
    "shouldSendSMS",
    "recertificationDate",
    "providerPayors",
    "sex",
    "caregiverId",
    "birthDate",
    "addressLine1",
    "addressLine2",
    "city",
    "state",
    "postalCode",
    "externalId",
    "metadata",
];

/// What a body may do with the fields that can be cleared.
#[derive(Clone, Copy)]
enum Null {
    /// It names a new user: what nobody knows is left out.
    Refused,
    /// It changes one: what is not known any more is `null`.
    Clears,
}

/// The fields of a body, whoever it makes or changes. What is wrong is said in the order of the schema.
fn changes(fields: &[Value<'_>; FIELDS.len()], null: Null) -> Result<Patch, Vec<Issue>> {
    let [first_name, last_name, email, role, phone, npi, sms, recertification, payors, rest @ ..] = fields;
    let [sex, caregiver, birth_date, line1, line2, city, state, postal_code, external_id, metadata] = rest;

    let mut check = match null {
        Null::Refused => Check::default(),
        Null::Clears => Check::clearing(),
    };
    let name = |check: &mut Check, field, value: &Value<'_>| match (null, value) {
        (Null::Clears, Value::Missing) => None,
        _ => check.required(field, value, PersonName::parse),
    };
    let patch = Patch {
        first_name: name(&mut check, "firstName", first_name),
        last_name: name(&mut check, "lastName", last_name),
        email: check.clearable("email", email, |text| Email::parse(text).map(Some)),
        role: check
            .choice("role", role, ASSIGNABLE, |name| Role::parse(name).filter(|role| Role::ASSIGNABLE.contains(role))),
        phone: check.clearable("phoneNumber", phone, PhoneNumber::given),
        npi: check.clearable("npiNumber", npi, NpiNumber::given),
        should_send_sms: check.boolean("shouldSendSMS", sms),
        recertification: check
            .clearable("recertificationDate", recertification, |text| RecertificationDate::parse(text).map(Some)),
        payors: check.list("providerPayors", payors, MAX_PAYORS),
        sex: check.clearable("sex", sex, Line::given),
        caregiver: check
            .clearable("caregiverId", caregiver, |text| UserId::parse(text).map(Some).ok_or(malformed_id())),
        birth_date: check.clearable("birthDate", birth_date, |text| Day::parse(text).map(Some)),
        address_line1: check.clearable("addressLine1", line1, Line::given),
        address_line2: check.clearable("addressLine2", line2, Line::given),
        city: check.clearable("city", city, Line::given),
        state: check.clearable("state", state, Line::given),
        postal_code: check.clearable("postalCode", postal_code, Line::given),
        external_id: check.clearable("externalId", external_id, ExternalId::given),
        metadata: check.metadata("metadata", metadata),
    };
    check.finish()?;
    Ok(patch)
}

/// [`Role::ASSIGNABLE`], as zod lists an enum's options; a test compares the two.
const ASSIGNABLE: &str = "'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | \
     'PATIENT' | 'CAREGIVER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN'";

/// [`Role::ALL`], likewise.
const ANY_ROLE: &str = "'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | 'PATIENT' \
     | 'CAREGIVER' | 'HIPP_ADMIN' | 'HIPP_BILLING_MANAGER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN' | \
     'CLINICAL_SUPERADMIN'";

/// What a query string asks for, or everything that is wrong with it. Of a parameter given twice the last counts.
pub(super) fn query(query: &str, visible: RoleSet) -> Result<Query, Vec<Issue>> {
    let [page, page_size, search, role, status, email, sort, cursor, view] = given(query, &PARAMETERS);

    let mut issues = Vec::new();
    let mut asked = everybody(visible);
    take(&mut issues, "page", page, |text| whole_number(text, Page::MAX_NUMBER), |number| asked.page.number = number);
    take(&mut issues, PAGE_SIZE, page_size, size_of_page, |size| asked.page.size = size);
    filter(&mut asked, &mut issues, [search, role, status, email, sort]);
    take(&mut issues, CURSOR, cursor, cursor_of(place_in_list), |(id, turn)| {
        (asked.after, asked.after_turn) = (Some(id), turn);
    });
    take(&mut issues, VIEW[0], view, is_whole, |whole| asked.whole = whole);
    if issues.is_empty() { Ok(asked) } else { Err(issues) }
}

/// Which users are exported as what, or everything that is wrong with the question.
pub(super) fn exported(query: &str, visible: RoleSet) -> Result<(Query, Format), Vec<Issue>> {
    let [format, filters @ ..] = given(query, &EXPORT);
    let (mut issues, mut asked) = (Vec::new(), Query { whole: true, ..everybody(visible) });
    let mut kind = Format::default();
    let format_of = |text: &str| {
        let format = Format::ALL.into_iter().find(|format| format.as_str() == text);
        format.ok_or_else(|| Flaw::not_one_of(&options(Format::ALL.map(Format::as_str)), text))
    };
    take(&mut issues, EXPORT[0], format, format_of, |format| kind = format);
    filter(&mut asked, &mut issues, filters);
    if issues.is_empty() { Ok((asked, kind)) } else { Err(issues) }
}

/// Active users, the newest first.
fn everybody(visible: RoleSet) -> Query {
    Query {
        visible,
        role: None,
        status: Some(Status::Active),
        whole: false,
        email: None,
        search: Terms::default(),
        key: SortKey::default(),
        order: Order::default(),
        page: Page::default(),
        after: None,
        after_turn: None,
    }
}

/// Which users are meant, and in which order: what list and export are both asked by.
fn filter(asked: &mut Query, issues: &mut Vec<Issue>, [search, role, status, email, sort]: [Option<Cow<'_, str>>; 5]) {
    take(issues, "search", search, Terms::parse, |terms| asked.search = terms);
    take(
        issues,
        "role",
        role,
        |name| Role::parse(name).ok_or_else(|| Flaw::not_one_of(ANY_ROLE, name)),
        |role| asked.role = Some(role),
    );
    take(issues, "status", status, status_of, |status| asked.status = status);
    let email = email.filter(|email| !email.is_empty());
    take(issues, "email", email, EmailKey::sought, |email| asked.email = Some(email));
    take(issues, "sort", sort, Sort::parse, |sort| (asked.key, asked.order) = (sort.key, sort.order));
}

/// What a list of users can be asked by.
pub(crate) const PARAMETERS: [&str; 9] =
    ["page", PAGE_SIZE, "search", "role", "status", "email", "sort", CURSOR, VIEW[0]];

/// What an export can be asked by.
pub(crate) const EXPORT: [&str; 6] = ["format", "search", "role", "status", "email", "sort"];

/// What get by id can be asked by.
pub(crate) const VIEW: [&str; 1] = ["view"];

/// Whether the whole user is asked for.
pub(super) fn view(query: &str) -> Result<bool, Vec<Issue>> {
    let [view] = given(query, &VIEW);
    let (mut issues, mut whole) = (Vec::new(), false);
    take(&mut issues, VIEW[0], view, is_whole, |asked| whole = asked);
    if issues.is_empty() { Ok(whole) } else { Err(issues) }
}

fn is_whole(text: &str) -> Result<bool, Flaw> {
    match text {
        "full" => Ok(true),
        _ => Err(Flaw::not_one_of("'full'", text)),
    }
}

/// A user's id, and, after an `@`, where it stood in a list sorted by `updatedAt`.
fn place_in_list(text: &str) -> Option<(UserId, Option<i64>)> {
    match text.split_once('@') {
        Some((id, turn)) => Some((UserId::parse(id)?, Some(turn.parse().ok()?))),
        None => Some((UserId::parse(text)?, None)),
    }
}

fn status_of(text: &str) -> Result<Option<Status>, Flaw> {
    match Status::ALL.into_iter().find(|status| status.as_str() == text) {
        Some(status) => Ok(Some(status)),
        None if text == "ALL" => Ok(None),
        None => Err(Flaw::not_one_of("'ACTIVE' | 'DEACTIVATED' | 'ALL'", text)),
    }
}
