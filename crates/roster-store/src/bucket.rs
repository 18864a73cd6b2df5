//! What users are counted and listed by: role, status, and whether they ever changed, as one number.
//!
//! A list is of some buckets. How many users a bucket has is counted by the writer, and the index by bucket finds each
//! one's users in creation order. Of users who never changed the number is the role's.

use roster_directory::{
    Query, Role, RoleSet, User,
    user::{Profile, Status},
};

/// The number of users' buckets. Roles have less than 16 numbers.
pub(crate) const BUCKETS: usize = 64;

const DEACTIVATED: u8 = 1 << 4;
const CHANGED: u8 = 1 << 5;

/// The number of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Bucket(u8);

impl Bucket {
    /// Where this user is counted.
    pub(crate) fn of(user: &User) -> Self {
        Self::new(user.role, user.status(), user.version > 1)
    }

    /// Where a user who is shown like this is counted.
    pub(crate) fn of_profile(profile: &Profile) -> Self {
        Self::new(profile.role, profile.status, profile.version > 1)
    }

    fn new(role: Role, status: Status, has_changed: bool) -> Self {
        let status = if status == Status::Deactivated { DEACTIVATED } else { 0 };
        Self(role as u8 | status | if has_changed { CHANGED } else { 0 })
    }

    /// The bucket of this number, if it can be one.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        let bucket = Self(number);
        (usize::from(number) < BUCKETS && Role::from_number(number % DEACTIVATED).is_some()).then_some(bucket)
    }

    /// The number that is stored.
    pub(crate) fn number(self) -> u8 {
        self.0
    }

    /// Whether its users ever changed.
    pub(crate) fn has_changed(self) -> bool {
        self.0 & CHANGED != 0
    }

    /// The role of its users.
    pub(crate) fn role(self) -> Role {
        Role::from_number(self.0 % DEACTIVATED).expect("checked when it was made")
    }

    /// The status of its users.
    pub(crate) fn status(self) -> Status {
        if self.0 & DEACTIVATED == 0 { Status::Active } else { Status::Deactivated }
    }
}

/// Some of the buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Buckets(u64);

impl Buckets {
    /// Every bucket there can be.
    pub(crate) const ALL: Buckets = {
        let roles = (1 << Role::ALL.len()) - 1;
        Buckets(roles | roles << DEACTIVATED | roles << CHANGED | roles << (DEACTIVATED | CHANGED))
    };

    /// Those that can be in the answer to a query.
    pub(crate) fn of(query: &Query) -> Self {
        Self::of_roles(query.roles(), query.status)
    }

    /// Those of these roles, and of this status if one is given.
    pub(crate) fn of_roles(roles: RoleSet, status: Option<Status>) -> Self {
        let mut buckets = 0;
        for role in roles.iter() {
            for status in Status::ALL.into_iter().filter(|one| status.is_none_or(|wanted| *one == wanted)) {
                for has_changed in [false, true] {
                    buckets |= 1 << Bucket::new(role, status, has_changed).0;
                }
            }
        }
        Self(buckets)
    }

    /// All but these.
    pub(crate) fn others(self) -> Self {
        Self(Self::ALL.0 & !self.0)
    }

    pub(crate) fn contains(self, bucket: Bucket) -> bool {
        self.0 & 1 << bucket.0 != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Bucket> {
        (0..BUCKETS as u8).map(Bucket).filter(move |bucket| self.contains(*bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_says_what_it_is_made_of_and_never_changed_is_the_role() {
        for bucket in Buckets::of_roles(RoleSet::ALL, None).iter() {
            assert_eq!(Bucket::from_number(bucket.number()), Some(bucket));
            let same = Bucket::new(bucket.role(), bucket.status(), bucket.number() & CHANGED != 0);
            assert_eq!(same, bucket);
        }
        assert_eq!(Buckets::of_roles(RoleSet::ALL, None), Buckets::ALL);
        assert_eq!(Buckets::ALL.iter().count(), 12 * 2 * 2);
        for role in Role::ALL {
            assert_eq!(Bucket::new(role, Status::Active, false).number(), role as u8);
        }
        assert_eq!((Bucket::from_number(12), Bucket::from_number(64)), (None, None));
        let some = Buckets::of_roles(RoleSet::of(&[Role::Patient]), Some(Status::Active));
        assert_eq!(some.iter().count() + some.others().iter().count(), 48);
    }
}
