//! The roles, and who may create and read whom: one table, used by every door.

use std::fmt;

/// What a person is in an organization; also what a key may do.
///
/// The numbers are stored: they are never changed and never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "shared/research has what each is inferred to mean; the API's document defines none")]
pub enum Role {
    Admin = 0,
    BillingManager = 1,
    SchedulingManager = 2,
    Clinician = 3,
    Technician = 4,
    Patient = 5,
    Caregiver = 6,
    HippAdmin = 7,
    HippBillingManager = 8,
    ClinicalAdmin = 9,
    PayrollAdmin = 10,
    ClinicalSuperadmin = 11,
}

use Role::*;

impl Role {
    /// Every role, in the order of the API's document (`UserRole`), which is the order of their numbers.
    pub const ALL: [Role; 12] = [
        Admin,
        BillingManager,
        SchedulingManager,
        Clinician,
        Technician,
        Patient,
        Caregiver,
        HippAdmin,
        HippBillingManager,
        ClinicalAdmin,
        PayrollAdmin,
        ClinicalSuperadmin,
    ];

    /// The roles whose keys manage an organization: its keys, its webhooks, its trail.
    pub const MANAGERS: [Role; 2] = [Admin, HippAdmin];

    /// The roles the API can give a new user, in the order of the API's document (`CreateUserRequest.role`).
    pub const ASSIGNABLE: [Role; 9] = [
        Admin,
        BillingManager,
        SchedulingManager,
        Clinician,
        Technician,
        Patient,
        Caregiver,
        ClinicalAdmin,
        PayrollAdmin,
    ];

    /// The role on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Admin => "ADMIN",
            BillingManager => "BILLING_MANAGER",
            SchedulingManager => "SCHEDULING_MANAGER",
            Clinician => "CLINICIAN",
            Technician => "TECHNICIAN",
            Patient => "PATIENT",
            Caregiver => "CAREGIVER",
            HippAdmin => "HIPP_ADMIN",
            HippBillingManager => "HIPP_BILLING_MANAGER",
            ClinicalAdmin => "CLINICAL_ADMIN",
            PayrollAdmin => "PAYROLL_ADMIN",
            ClinicalSuperadmin => "CLINICAL_SUPERADMIN",
        }
    }

    /// The role of this name, in capitals.
    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// The role of this number.
    pub fn from_number(number: u8) -> Option<Role> {
        Role::ALL.get(usize::from(number)).copied()
    }

    /// The roles a key of this role may create, assign and change.
    pub const fn may_create(self) -> RoleSet {
        match self {
            HippAdmin | Admin => RoleSet::of(&Role::ASSIGNABLE),
            ClinicalSuperadmin => {
                RoleSet::of(&[ClinicalAdmin, SchedulingManager, Clinician, Technician, Patient, Caregiver])
            }
            ClinicalAdmin => RoleSet::of(&[Clinician, Technician, Patient, Caregiver]),
            SchedulingManager => RoleSet::of(&[Technician, Patient, Caregiver]),
            BillingManager | HippBillingManager | Clinician => RoleSet::of(&[Patient, Caregiver]),
            PayrollAdmin | Technician | Patient | Caregiver => RoleSet::NONE,
        }
    }

    /// Whether keys of a role may be made, rotated and revoked with a key of this one: only with a key that manages the
    /// organization, and none that is stronger.
    pub fn may_make_key(self, role: Role) -> bool {
        Role::MANAGERS.contains(&self) && (role == self || self.may_create().contains(role))
    }

    /// The roles a key of this role may see. `HIPP_ADMIN` is in nobody's.
    pub const fn may_read(self) -> RoleSet {
        match self {
            HippAdmin | Admin | ClinicalSuperadmin | ClinicalAdmin | SchedulingManager | BillingManager
            | HippBillingManager => RoleSet::EVERYONE_LISTED,
            Clinician => RoleSet::of(&[Clinician, Technician, Patient, Caregiver]),
            PayrollAdmin => RoleSet::EVERYONE_LISTED.without(RoleSet::of(&[HippBillingManager, Patient, Caregiver])),
            Technician | Patient | Caregiver => RoleSet::NONE,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Some of the roles.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoleSet(u16);

impl RoleSet {
    /// No role.
    pub const NONE: RoleSet = RoleSet(0);

    /// Every role.
    pub const ALL: RoleSet = RoleSet::of(&Role::ALL);

    /// Every role but `HIPP_ADMIN`, which is never returned.
    pub const EVERYONE_LISTED: RoleSet = RoleSet::ALL.without(RoleSet::of(&[HippAdmin]));

    /// Exactly these.
    pub const fn of(roles: &[Role]) -> RoleSet {
        let mut bits = 0;
        let mut i = 0;
        while i < roles.len() {
            bits |= 1 << roles[i] as u16;
            i += 1;
        }
        RoleSet(bits)
    }

    /// These but not those.
    pub const fn without(self, those: RoleSet) -> RoleSet {
        RoleSet(self.0 & !those.0)
    }

    /// What is in both.
    pub const fn and(self, other: RoleSet) -> RoleSet {
        RoleSet(self.0 & other.0)
    }

    /// Whether `role` is in it.
    pub const fn contains(self, role: Role) -> bool {
        self.0 & 1 << role as u16 != 0
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its roles, in the order of [`Role::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.contains(*role))
    }
}

impl fmt::Debug for RoleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_found_by_its_number_and_by_its_name() {
        for (number, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(role as usize, number);
            assert_eq!(Role::from_number(number as u8), Some(role));
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::from_number(12), None);
        assert_eq!(Role::parse("admin"), None);
    }

    /// The whole of design.md §2, cell by cell: a row per key, a column per user, in the order of `Role::ALL`.
    /// `c` may create and read, `r` may read, `.` neither.
    #[test]
    fn the_table_is_the_one_that_was_decided() {
        #[rustfmt::skip]
        let table = [
            (Admin,              "ccccccc.rccr"),
            (BillingManager,     "rrrrrcc.rrrr"),
            (SchedulingManager,  "rrrrccc.rrrr"),
            (Clinician,          "...rrcc....."),
            (Technician,         "............"),
            (Patient,            "............"),
            (Caregiver,          "............"),
            (HippAdmin,          "ccccccc.rccr"),
            (HippBillingManager, "rrrrrcc.rrrr"),
            (ClinicalAdmin,      "rrrcccc.rrrr"),
            (PayrollAdmin,       "rrrrr....rrr"),
            (ClinicalSuperadmin, "rrccccc.rcrr"),
        ];
        assert_eq!(table.len(), Role::ALL.len());
        for (key, row) in table {
            for (user, cell) in Role::ALL.into_iter().zip(row.chars()) {
                assert_eq!(key.may_create().contains(user), cell == 'c', "{key} creates {user}");
                assert_eq!(key.may_read().contains(user), cell != '.', "{key} reads {user}");
            }
        }
    }

    #[test]
    fn no_key_reaches_above_itself() {
        // What a key's creation could read or create, the key can too: no ladder leads up.
        for key in Role::ALL {
            for made in key.may_create().iter() {
                assert!(
                    made.may_create().without(key.may_create()).is_empty(),
                    "{key} makes {made}, which creates more"
                );
                if key != HippAdmin {
                    assert!(made.may_read().without(key.may_read()).is_empty(), "{key} makes {made}, which reads more");
                }
            }
        }
    }
}
