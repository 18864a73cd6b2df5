//! Folding anew what is searched, where an earlier Roster folded it in another way.

use roster_directory::search::Haystack;

use super::connection::{Ask, Transaction};

/// Users that one statement reads and writes.
const BATCH: i64 = 1_000;

/// Writes `users.search` anew where the two ways of folding may differ: beyond ASCII, and where there is an apostrophe or
/// a hyphen.
pub(super) async fn refold(transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
    let read = "select organization, id, first_name, last_name, email, phone from users \
               where (organization, id) > ($1, $2) \
               and (octet_length(search) <> char_length(search) or search like '%''%' or search like '%`%' \
                    or search like '%-%') \
               order by organization, id limit $3";
    let write = "update users set search = f.search from unnest($1::text[], $2::text[], $3::text[]) \
               as f (organization, id, search) where users.organization = f.organization and users.id = f.id";
    let (mut organization, mut id) = (String::new(), String::new());
    let mut haystack = Haystack::default();
    loop {
        let rows = transaction.query(read, &[&organization, &id, &BATCH]).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        (organization, id) = (last.get(0), last.get(1));
        let column = |nth: usize| rows.iter().map(|row| row.get(nth)).collect::<Vec<&str>>();
        let folded = rows.iter().map(|row| {
            haystack.fill(row.get(2), row.get(3), row.get(4), row.get(5));
            haystack.as_str().to_owned()
        });
        let folded: Vec<String> = folded.collect();
        transaction.execute(write, &[&column(0), &column(1), &folded]).await?;
    }
}
