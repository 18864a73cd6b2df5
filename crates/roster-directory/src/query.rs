//! How a list is asked for: filter, order, page.

use crate::{
    Flaw, Role, RoleSet, UserId,
    search::Terms,
    user::{EmailKey, Status},
};

/// A question for one page of an organization's users.
#[derive(Debug, Clone)]
pub struct Query {
    /// Who may be seen at all.
    pub visible: RoleSet,
    /// Only this role.
    pub role: Option<Role>,
    /// Only this status; either if none is given.
    pub status: Option<Status>,
    /// Only whoever has this e-mail.
    pub email: Option<EmailKey>,
    /// Only those in whom every term occurs.
    pub search: Terms,
    /// Whether the whole user is asked for, or what lists show.
    pub whole: bool,
    /// By what it is sorted.
    pub key: SortKey,
    /// Who comes first.
    pub order: Order,
    /// Which part of it.
    pub page: Page,
    /// Whom the page comes after, whatever its number: the last user of the page before. Costs the same at any depth.
    pub after: Option<UserId>,
    /// Sorted by `updatedAt`, where that user stood then, as the store said it: it may have changed since. Without it,
    /// where it stands now.
    pub after_turn: Option<i64>,
}

impl Query {
    /// The roles that can be in the answer.
    pub fn roles(&self) -> RoleSet {
        match self.role {
            Some(role) => self.visible.and(RoleSet::of(&[role])),
            None => self.visible,
        }
    }

    /// How many users come before the page; after a user none is passed over.
    pub fn offset(&self) -> u64 {
        if self.after.is_some() { 0 } else { self.page.offset() }
    }
}

/// Who comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The last created or changed first.
    #[default]
    NewestFirst,
    /// The first created or changed first.
    OldestFirst,
}

/// By what a list is sorted.
///
/// Every sort ends in creation order, in the direction of its first key. Creation order is that of `createdAt`, and no two
/// users have the same place in it: so the first key decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortKey {
    /// When it was created.
    #[default]
    CreatedAt,
    /// When it changed last, or, before it ever did, when it was created.
    UpdatedAt,
}

/// By what a list is sorted, and who comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each says itself")]
pub struct Sort {
    pub key: SortKey,
    pub order: Order,
}

impl Sort {
    /// Reads `createdAt_desc,updatedAt_asc`: one or more of `createdAt`, `updatedAt` with `_asc` or `_desc`.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let mut keys = text.split(',').map(|key| {
            let (key, order) = match key {
                "createdAt_desc" => (SortKey::CreatedAt, Order::NewestFirst),
                "createdAt_asc" => (SortKey::CreatedAt, Order::OldestFirst),
                "updatedAt_desc" => (SortKey::UpdatedAt, Order::NewestFirst),
                "updatedAt_asc" => (SortKey::UpdatedAt, Order::OldestFirst),
                // The words of zod 3 for a string that fails a regex.
                _ => return Err(Flaw::malformed("Invalid")),
            };
            Ok(Self { key, order })
        });
        let first = keys.next().expect("split yields at least one part")?;
        keys.try_for_each(|key| key.map(drop))?;
        Ok(first)
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub number: u64,
    /// Users a page: 1 to [`Page::MAX_SIZE`].
    pub size: u32,
}

impl Page {
    /// The most users on one page.
    pub const MAX_SIZE: u32 = 100;

    /// The highest page number that can be asked for: 2^53 - 1, the last integer JavaScript counts exactly.
    pub const MAX_NUMBER: u64 = (1 << 53) - 1;

    /// How many users come before it.
    pub fn offset(&self) -> u64 {
        (self.number - 1).saturating_mul(u64::from(self.size))
    }

    /// How many pages hold `total` users.
    pub fn count(&self, total: u64) -> u64 {
        total.div_ceil(u64::from(self.size))
    }
}

impl Default for Page {
    fn default() -> Self {
        Self { number: 1, size: 25 }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Order::{NewestFirst, OldestFirst},
        Page, Sort,
        SortKey::{CreatedAt, UpdatedAt},
    };

    #[test]
    fn a_sort_is_a_list_of_known_keys() {
        for (text, order) in [
            ("createdAt_desc", Some((CreatedAt, NewestFirst))),
            ("updatedAt_asc", Some((UpdatedAt, OldestFirst))),
            ("createdAt_asc,updatedAt_desc", Some((CreatedAt, OldestFirst))),
            ("updatedAt_desc,createdAt_desc,updatedAt_asc", Some((UpdatedAt, NewestFirst))),
            ("", None),
            ("createdAt", None),
            ("createdAt_desc,", None),
            ("createdAt_desc, updatedAt_asc", None),
            ("createdat_desc", None),
            ("email_asc", None),
        ] {
            assert_eq!(Sort::parse(text).ok().map(|sort| (sort.key, sort.order)), order, "{text}");
        }
    }

    #[test]
    fn pages_count_from_one() {
        let page = Page { number: 3, size: 25 };
        assert_eq!((page.offset(), page.count(0), page.count(25), page.count(26)), (50, 0, 1, 2));
        assert_eq!(Page { number: Page::MAX_NUMBER, size: 100 }.offset(), (Page::MAX_NUMBER - 1) * 100);
    }
}
