//! Made-up people, each a function of a number: what the databases are filled with and what the creates send.

use roster_directory::{Role, Timestamp, UserId};

/// One person. Every field that a create takes is there but payors: what that writes is three rows.
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) first_name: &'static str,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) role: Role,
    pub(crate) phone: String,
}

/// Passes the check digit, as nearly all do that are typed in.
pub(crate) const NPI: &str = "1234567893";

/// Area codes that are in use, as nearly all are that are typed in: a create is warned of any other.
const AREAS: [u16; 40] = [
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 301, 302, 303, 304, 305, 307,
    308, 309, 310, 312, 313, 314, 315, 316, 317, 318, 319, 401, 402, 404, 405, 406, 407,
];

/// When everybody must be recertified.
pub(crate) const RECERTIFICATION: &str = "2031-01-15T00:00:00Z";

/// The second in which person 0 was created; ten a second follow.
const FIRST_SECOND: u64 = 1_700_000_000;

impl Person {
    /// The `n`-th person.
    pub(crate) fn nth(n: u64) -> Self {
        let random = mix(n);
        let pick = |shift: u32, from: usize| (random >> shift) as usize % from;
        let first_name = FIRST_NAMES[pick(0, FIRST_NAMES.len())];
        let last_name = format!("{}{}", LAST_NAME_STARTS[pick(8, 40)], LAST_NAME_ENDS[pick(16, 40)]);
        let domain = DOMAINS[pick(24, DOMAINS.len())];
        let local = format!("{first_name}.{last_name}").to_ascii_lowercase();
        Self {
            id: id_of(n),
            email: format!("{local}.{n}@{domain}"),
            phone: format!("+1{}{:07}", AREAS[pick(32, AREAS.len())], 2_000_000 + mix(random) % 8_000_000),
            role: role_of(pick(40, 10_000)),
            first_name,
            last_name,
        }
    }

    /// When they were created, in milliseconds.
    pub(crate) fn created_at(n: u64) -> i64 {
        ((FIRST_SECOND * 10 + n) * 100) as i64
    }

    /// The body that creates them.
    pub(crate) fn write_body(&self, to: &mut Vec<u8>) {
        use std::io::Write;
        write!(
            to,
            r#"{{"firstName":"{}","lastName":"{}","email":"{}","role":"{}","phoneNumber":"{}","npiNumber":"{NPI}","shouldSendSMS":true,"recertificationDate":"{RECERTIFICATION}"}}"#,
            self.first_name,
            self.last_name,
            self.email,
            self.role.as_str(),
            self.phone,
        )
        .expect("writing to memory does not fail");
    }
}

/// The publicId of the `n`-th person.
pub(crate) fn id_of(n: u64) -> UserId {
    let entropy = u128::from(mix(n ^ 0x5eed)) << 64 | u128::from(mix(n));
    UserId::new(Timestamp::from_millis(Person::created_at(n)), entropy)
}

/// Whether the `n`-th person of a seeded database is a `HIPP_ADMIN`, whom nobody sees: one of 20 000.
pub(crate) fn is_hidden(n: u64) -> bool {
    n % 20_000 == 777
}

/// Mostly patients, those who care for them and technicians; few of everything else.
fn role_of(of_ten_thousand: usize) -> Role {
    match of_ten_thousand {
        0..4_500 => Role::Patient,
        4_500..7_500 => Role::Caregiver,
        7_500..9_300 => Role::Technician,
        9_300..9_800 => Role::Clinician,
        9_800..9_900 => Role::SchedulingManager,
        9_900..9_950 => Role::BillingManager,
        9_950..9_980 => Role::ClinicalAdmin,
        9_980..9_990 => Role::PayrollAdmin,
        _ => Role::Admin,
    }
}

/// Scatters a number over 64 bits (the finalizer of `SplitMix64`).
pub(crate) fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

const FIRST_NAMES: [&str; 48] = [
    "Grace",
    "Peter",
    "Naomi",
    "Theo",
    "Ingrid",
    "Marcus",
    "Hannah",
    "Louis",
    "Dolores",
    "Amara",
    "Daniel",
    "Priya",
    "Samuel",
    "Lucia",
    "Jonah",
    "Mei",
    "Olivia",
    "Andre",
    "Sofia",
    "Caleb",
    "Leilani",
    "Tomas",
    "Ruth",
    "Dylan",
    "Yasmin",
    "Kofi",
    "Chloe",
    "Wyatt",
    "Noor",
    "Elena",
    "Margaret",
    "Bartholomew",
    "Jo",
    "Alejandra",
    "Christopher",
    "Fatima",
    "Giovanni",
    "Hiroshi",
    "Isabella",
    "Jamal",
    "Katarzyna",
    "Lakshmi",
    "Mohammed",
    "Nicholas",
    "Oluwaseun",
    "Penelope",
    "Quentin",
    "Rosalind",
];

const LAST_NAME_STARTS: [&str; 40] = [
    "Holl", "Lind", "Castell", "March", "Soren", "Oyel", "Bright", "Font", "Whit", "Nwos", "Kowal", "Ragh", "Aber",
    "Vill", "Feld", "Tan", "Rour", "Bapt", "Petr", "Hutch", "Kah", "Echev", "Ab", "Mac", "Hadd", "Mens", "Vander",
    "Sand", "Sidd", "Grig", "Stone", "Ash", "Black", "Winter", "Thorn", "Clay", "East", "Nor", "Wood", "Hart",
];

const LAST_NAME_ENDS: [&str; 40] = [
    "oway", "quist", "anos", "etti", "sen", "aran", "water", "aine", "aker", "u", "czyk", "unathan", "nathy", "anueva",
    "stein", "aka", "ke", "iste", "enko", "ins", "ale", "erria", "ebe", "allister", "ad", "ah", "berg", "oval", "iqui",
    "oryan", "field", "worth", "burn", "bourne", "wick", "ton", "brook", "ham", "ley", "ridge",
];

const DOMAINS: [&str; 12] = [
    "example.com",
    "example.org",
    "example.net",
    "mail.example.com",
    "post.example.org",
    "clinic.example.com",
    "sunrise.example.org",
    "harbor.example.net",
    "families.example.com",
    "care.example.org",
    "home.example.net",
    "staff.example.com",
];
