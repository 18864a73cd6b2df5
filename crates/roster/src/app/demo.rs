//! `serve --demo`: an example organization with payors, people in all roles, and a key. Everybody in it is made up.

use roster_directory::{
    NewUser, Payor, Role, UserId,
    credential::{Day, RecertificationDate},
    key::KeyToken,
    npi::NpiNumber,
    phone::PhoneNumber,
    user::{Demographics, Email, Line, PersonName},
};

use super::{App, Caller, Error, NewKey};

/// What was done about the example.
pub enum Demo {
    /// It is there now; this key, with role ADMIN, opens it.
    Ready {
        /// The operator, acting for the example organization.
        caller: Caller,
        /// The key.
        token: KeyToken,
        /// How many people there are.
        people: usize,
        /// How many payors.
        payors: usize,
    },
    /// There were organizations already, so nothing was added.
    NotEmpty,
}

/// Adds the example to an empty database.
pub async fn prepare(app: &App) -> Result<Demo, Error> {
    if app.store().has_organizations().await? {
        return Ok(Demo::NotEmpty);
    }
    let caller = app.create_organization(known("Sunrise ABA Therapy")).await?;
    let mut payors = Vec::new();
    for name in PAYORS {
        payors.push(app.create_payor(&caller, known(name)).await?);
    }
    let mut people = 0;
    for (nth, person) in STAFF.iter().enumerate() {
        app.create_user(&caller, person.staff(app, nth, &payors), None).await?;
        people += 1;
    }
    for (nth, family) in FAMILIES.iter().enumerate() {
        let caregiver = app.create_user(&caller, family.caregiver(nth), None).await?.user.id;
        app.create_user(&caller, family.patient(caregiver), None).await?;
        people += 2;
    }
    let (_, token) = app.create_key(&caller, NewKey::lasting(Role::Admin, known("demo")), None).await?;
    Ok(Demo::Ready { caller, token, people, payors: payors.len() })
}

impl Demo {
    /// What to tell whoever started the server as `roster` at `address` (`http://…`, without a slash at its end).
    pub fn greeting(&self, roster: &str, address: &str) -> String {
        match self {
            Demo::NotEmpty => format!(
                "This database already has organizations: --demo added nothing. For a key of your own: \
                 {roster} org list, then {roster} key create --org ORG --role ADMIN --name me\n"
            ),
            Demo::Ready { caller, token, people, payors } => format!(
                "Added {name} ({id}) with {people} people and {payors} payors. Everybody in it is made up.\n\
                 \n\
                 Its ADMIN key, shown this once:\n\
                 \n  {key}\n\
                 \n\
                 Create a user (paste it into another terminal):\n\
                 \n  curl -sS {address}/api/v1/users -H 'Authorization: Bearer {key}' \
                 -H 'Content-Type: application/json' -d '{{\"firstName\":\"Nora\",\"lastName\":\"Lindgren\",\
                 \"email\":\"nora.lindgren@example.com\",\"role\":\"CLINICIAN\",\"phoneNumber\":\"+14155550100\"}}'\n\
                 \n\
                 Read the API: {address}/docs\n",
                name = caller.identity.organization.name.as_str(),
                id = caller.organization(),
                key = token.reveal(),
            ),
        }
    }
}

/// What is written in this file is well-formed.
fn known<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("the example contains {text:?}, which its type refuses"))
}

const PAYORS: [&str; 12] = [
    "Aetna",
    "Anthem Blue Cross",
    "Blue Shield of California",
    "Cigna Behavioral Health",
    "Health Net",
    "Kaiser Permanente",
    "Magellan Healthcare",
    "Medi-Cal",
    "Molina Healthcare",
    "Optum",
    "TRICARE West",
    "UnitedHealthcare",
];

/// Somebody who works there: the role, the days until recertification where there is one.
struct Person(&'static str, &'static str, Role, Option<i64>);

use Role::*;

const STAFF: [Person; 30] = [
    Person("Grace", "Holloway", Admin, None),
    Person("Peter", "Lindqvist", ClinicalSuperadmin, Some(410)),
    Person("Naomi", "Castellanos", ClinicalAdmin, Some(288)),
    Person("Theo", "Marchetti", ClinicalAdmin, Some(21)),
    Person("Ingrid", "Sørensen", SchedulingManager, None),
    Person("Marcus", "Oyelaran", SchedulingManager, None),
    Person("Hannah", "Brightwater", BillingManager, None),
    Person("Louis", "Fontaine", HippBillingManager, None),
    Person("Dolores", "Whitaker", PayrollAdmin, None),
    Person("Amara", "Nwosu", Clinician, Some(512)),
    Person("Daniel", "Kowalczyk", Clinician, Some(37)),
    Person("Priya", "Raghunathan", Clinician, Some(-6)),
    Person("Samuel", "Abernathy", Clinician, Some(190)),
    Person("Lucía", "Villanueva", Clinician, Some(640)),
    Person("Jonah", "Feldstein", Clinician, Some(75)),
    Person("Mei", "Tanaka-Ross", Clinician, Some(333)),
    Person("Olivia", "O'Rourke", Technician, Some(14)),
    Person("Andre", "Baptiste", Technician, Some(220)),
    Person("Sofia", "Petrenko", Technician, Some(-41)),
    Person("Caleb", "Hutchins", Technician, Some(98)),
    Person("Leilani", "Kahale", Technician, Some(455)),
    Person("Tomás", "Echeverría", Technician, None),
    Person("Ruth", "Abebe", Technician, Some(301)),
    Person("Dylan", "McAllister", Technician, Some(29)),
    Person("Yasmin", "Haddad", Technician, Some(150)),
    Person("Kofi", "Mensah", Technician, None),
    Person("Chloe", "Vanderberg", Technician, Some(577)),
    Person("Wyatt", "Sandoval", Technician, Some(8)),
    Person("Noor", "Siddiqui", Technician, Some(266)),
    Person("Elena", "Grigoryan", Technician, Some(120)),
];

impl Person {
    fn staff(&self, app: &App, nth: usize, payors: &[Payor]) -> NewUser {
        let Person(first, last, role, days) = self;
        let is_provider = matches!(role, Clinician | Technician | ClinicalAdmin | ClinicalSuperadmin);
        // A provider is credentialed with some of the payors: every third, starting somewhere else for each.
        let assigned = payors.iter().skip(nth % 3).step_by(3).filter(|_| is_provider && nth.is_multiple_of(2));
        NewUser {
            email: Some(known::<Email>(&format!("{}@sunrise-aba.example", ascii(&format!("{first}.{last}"))))),
            role: *role,
            phone: Some(phone(nth)),
            npi: matches!(role, Clinician | ClinicalAdmin | ClinicalSuperadmin).then(|| npi(nth)),
            recertification: days.map(|days| recertification(app, days)),
            payors: assigned.map(|payor| payor.id.to_string()).collect(),
            ..NewUser::named(known::<PersonName>(first), known::<PersonName>(last))
        }
    }
}

/// A caregiver and the patient in their care.
struct Family(&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const FAMILIES: [Family; 15] = [
    Family("Rebecca", "Ellison", "Milo", "male", "2019-03-14", "12 Alder Street"),
    Family("Jamal", "Washington", "Zuri", "female", "2018-11-02", "480 Birch Avenue"),
    Family("Katarina", "Novak", "Luka", "male", "2020-06-27", "7 Cedar Court"),
    Family("Miguel", "Ortega", "Camila", "female", "2017-09-08", "2215 Dogwood Lane"),
    Family("Fiona", "Gallagher-Reyes", "Declan", "male", "2021-01-19", "93 Elm Terrace"),
    Family("Anil", "Deshmukh", "Ishaan", "male", "2019-12-30", "1604 Fir Road"),
    Family("Stephanie", "Bouchard", "Noélie", "female", "2018-04-05", "31 Ginkgo Way"),
    Family("David", "Rosenthal", "Ezra", "male", "2016-07-22", "808 Hazel Drive"),
    Family("Thuy", "Pham", "Linh", "female", "2020-10-11", "56 Ironwood Place"),
    Family("Carlos", "Figueroa", "Mateo", "male", "2019-08-16", "740 Juniper Street"),
    Family("Ashley", "Thornton", "Harper", "female", "2021-05-03", "19 Katsura Circle"),
    Family("Ibrahim", "Yusuf", "Layla", "female", "2017-02-25", "333 Larch Boulevard"),
    Family("Monica", "Delacroix", "Remy", "male", "2018-12-12", "62 Maple Court"),
    Family("Jun", "Watanabe", "Hana", "female", "2020-03-31", "1100 Oak Street"),
    Family("Teresa", "Mbeki", "Sipho", "male", "2019-06-09", "27 Pine Avenue"),
];

impl Family {
    fn caregiver(&self, nth: usize) -> NewUser {
        let Family(first, last, _, _, _, street) = self;
        NewUser {
            email: Some(known::<Email>(&format!("{}@mail.example", ascii(&format!("{first}.{last}"))))),
            role: Caregiver,
            phone: Some(phone(40 + nth)),
            demographics: home(street),
            ..NewUser::named(known::<PersonName>(first), known::<PersonName>(last))
        }
    }

    fn patient(&self, caregiver: UserId) -> NewUser {
        let Family(_, last, first, sex, birth_date, street) = self;
        NewUser {
            role: Patient,
            demographics: Demographics {
                sex: Some(known::<Line>(sex)),
                caregiver: Some(caregiver),
                birth_date: Day::parse(birth_date).ok(),
                ..home(street)
            },
            ..NewUser::named(known::<PersonName>(first), known::<PersonName>(last))
        }
    }
}

fn home(street: &str) -> Demographics {
    Demographics {
        address_line1: Some(known::<Line>(street)),
        city: Some(known::<Line>("Riverbend")),
        state: Some(known::<Line>("CA")),
        postal_code: Some(known::<Line>("90000")),
        ..Demographics::default()
    }
}

/// A name as it stands in an e-mail address.
fn ascii(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .filter_map(|c| match c {
            'á' | 'à' => Some('a'),
            'é' => Some('e'),
            'í' => Some('i'),
            'ø' | 'ó' => Some('o'),
            'a'..='z' | '.' | '-' => Some(c),
            _ => None,
        })
        .collect()
}

/// One of the numbers that are kept for fiction: 555-0100 to 555-0199.
fn phone(nth: usize) -> PhoneNumber {
    known(&format!("+1415555{:04}", 101 + nth % 99))
}

/// A well-formed NPI. Numbers that start with 2 have not been given out.
fn npi(nth: usize) -> NpiNumber {
    let candidates = (0..10).map(|check| known::<NpiNumber>(&format!("2{:08}{check}", 40_000_000 + nth * 7_919)));
    candidates.into_iter().find(NpiNumber::is_valid).expect("one of ten check digits is right")
}

fn recertification(app: &App, days: i64) -> RecertificationDate {
    let at = app.clock().steady().plus_millis(days * 86_400_000).to_string();
    let midnight = format!("{}T00:00:00Z", &at[..10]);
    RecertificationDate::parse(&midnight).expect("a timestamp starts with its day")
}
