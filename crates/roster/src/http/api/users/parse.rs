//! What a body or a query string asks for, or everything that is wrong with it.

use roster_directory::{
    Flaw, Issue, NewUser, Query, Role, RoleSet, UserId,
    credential::RecertificationDate,
    npi::NpiNumber,
    phone::PhoneNumber,
    query::{Order, Page},
    search::Terms,
    user::{Demographics, Email, EmailKey, PersonName},
};

use super::super::{
    body::{Check, Fields, Value},
    params::{CURSOR, PAGE_SIZE, cursor_of, given, size_of_page, take, whole_number},
    warning::Unknown,
};

/// Payor ids one user can be created with.
const MAX_PAYORS: usize = 100;

/// Whom a body asks to create, or everything that is wrong with it; and the names in it that nobody knows.
pub(crate) fn new_user(body: &[u8]) -> (Result<NewUser, Vec<Issue>>, Unknown) {
    match Fields::read(body, &FIELDS) {
        Ok(fields) => (checked(&fields.values), fields.unknown),
        Err(issues) => (Err(issues), Unknown::default()),
    }
}

const FIELDS: [&str; 9] = [
    "firstName",
    "lastName",
    "email",
    "role",
    "phoneNumber",
    "npiNumber",
    "shouldSendSMS",
    "recertificationDate",
    "providerPayors",
];

/// What is wrong is said in the order of the schema.
fn checked(fields: &[Value<'_>; FIELDS.len()]) -> Result<NewUser, Vec<Issue>> {
    let [first_name, last_name, email, role, phone, npi, sms, recertification, payors] = fields;

    let mut check = Check::default();
    let first_name = check.required("firstName", first_name, PersonName::parse);
    let last_name = check.required("lastName", last_name, PersonName::parse);
    let email = check.optional("email", email, Email::parse);
    let role =
        check.choice("role", role, ASSIGNABLE, |name| Role::parse(name).filter(|role| Role::ASSIGNABLE.contains(role)));
    let phone = check.optional("phoneNumber", phone, PhoneNumber::given).flatten();
    let npi = check.optional("npiNumber", npi, NpiNumber::given).flatten();
    let should_send_sms = check.boolean("shouldSendSMS", sms);
    let recertification = check.optional("recertificationDate", recertification, RecertificationDate::parse);
    let payors = check.strings("providerPayors", payors, MAX_PAYORS);
    check.finish()?;

    let (Some(first_name), Some(last_name)) = (first_name, last_name) else {
        unreachable!("a required field that is missing is an issue")
    };
    Ok(NewUser {
        first_name,
        last_name,
        email,
        role: role.unwrap_or(Role::Technician),
        phone,
        npi,
        should_send_sms,
        recertification,
        payors,
        demographics: Demographics::default(),
    })
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
    let [page, page_size, search, role, email, sort, cursor] = given(query, &PARAMETERS);

    let mut issues = Vec::new();
    let mut asked = Query {
        visible,
        role: None,
        email: None,
        search: Terms::default(),
        order: Order::default(),
        page: Page::default(),
        after: None,
    };
    take(&mut issues, "page", page, |text| whole_number(text, Page::MAX_NUMBER), |number| asked.page.number = number);
    take(&mut issues, PAGE_SIZE, page_size, size_of_page, |size| asked.page.size = size);
    take(&mut issues, "search", search, Terms::parse, |terms| asked.search = terms);
    take(
        &mut issues,
        "role",
        role,
        |name| Role::parse(name).ok_or_else(|| Flaw::not_one_of(ANY_ROLE, name)),
        |role| asked.role = Some(role),
    );
    let email = email.filter(|email| !email.is_empty());
    take(&mut issues, "email", email, EmailKey::sought, |email| asked.email = Some(email));
    take(&mut issues, "sort", sort, Order::parse, |order| asked.order = order);
    take(&mut issues, CURSOR, cursor, cursor_of(UserId::parse), |id| asked.after = Some(id));
    if issues.is_empty() { Ok(asked) } else { Err(issues) }
}

/// What a list of users can be asked by.
pub(crate) const PARAMETERS: [&str; 7] = ["page", PAGE_SIZE, "search", "role", "email", "sort", CURSOR];
