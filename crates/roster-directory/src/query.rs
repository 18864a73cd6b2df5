//! How a list is asked for: filter, order, page.

use crate::{Flaw, Role, RoleSet, UserId, search::Terms, user::EmailKey};

/// A question for one page of an organization's users.
#[derive(Debug, Clone)]
pub struct Query {
    /// Who may be seen at all.
    pub visible: RoleSet,
    /// Only this role.
    pub role: Option<Role>,
    /// Only whoever has this e-mail.
    pub email: Option<EmailKey>,
    /// Only those in whom every term occurs.
    pub search: Terms,
    /// Who comes first.
    pub order: Order,
    /// Which part of it.
    pub page: Page,
    /// Whom the page comes after, whatever its number: the last user of the page before. Costs the same at any depth.
    pub after: Option<UserId>,
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
///
/// A list is sorted by `createdAt` or `updatedAt`, and every sort ends in creation order, in the direction of its first
/// key. Nothing changes a user after it was created yet, so `updatedAt` is `createdAt`, and the first key decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The last created first.
    #[default]
    NewestFirst,
    /// The first created first.
    OldestFirst,
}

impl Order {
    /// Reads `createdAt_desc,updatedAt_asc`: one or more of `createdAt`, `updatedAt` with `_asc` or `_desc`.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let mut keys = text.split(',').map(|key| match key {
            "createdAt_desc" | "updatedAt_desc" => Ok(Order::NewestFirst),
            "createdAt_asc" | "updatedAt_asc" => Ok(Order::OldestFirst),
            // The words of zod 3 for a string that fails a regex.
            _ => Err(Flaw::malformed("Invalid")),
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
    use super::{Order, Page};

    #[test]
    fn a_sort_is_a_list_of_known_keys() {
        for (text, order) in [
            ("createdAt_desc", Some(Order::NewestFirst)),
            ("updatedAt_asc", Some(Order::OldestFirst)),
            ("createdAt_asc,updatedAt_desc", Some(Order::OldestFirst)),
            ("createdAt_desc,createdAt_desc,updatedAt_asc", Some(Order::NewestFirst)),
            ("", None),
            ("createdAt", None),
            ("createdAt_desc,", None),
            ("createdAt_desc, updatedAt_asc", None),
            ("createdat_desc", None),
            ("email_asc", None),
        ] {
            assert_eq!(Order::parse(text).ok(), order, "{text}");
        }
    }

    #[test]
    fn pages_count_from_one() {
        let page = Page { number: 3, size: 25 };
        assert_eq!((page.offset(), page.count(0), page.count(25), page.count(26)), (50, 0, 1, 2));
        assert_eq!(Page { number: Page::MAX_NUMBER, size: 100 }.offset(), (Page::MAX_NUMBER - 1) * 100);
    }
}
