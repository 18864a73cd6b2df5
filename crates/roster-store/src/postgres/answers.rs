//! What was answered to requests that may be sent again (`Idempotency-Key`), for a day.

use roster_directory::{
    Timestamp,
    repeat::{Answer, KEPT},
};

use super::{
    connection::{Ask, Param, Transaction},
    lending::Trouble,
};
use crate::Error;

/// Whether there is one that counts at this moment.
#[expect(clippy::future_not_send, reason = "it is, for a connection and for a transaction")]
pub(super) async fn is_there(
    client: &impl Ask,
    organization: &str,
    answer: &Answer,
    at: Timestamp,
) -> Result<bool, tokio_postgres::Error> {
    let sql = "select 1 from repeat where organization = $1 and by_key = $2 and route = $3 and key = $4 and at > $5";
    let (repeat, since) = (&answer.repeat, at.plus_millis(-KEPT).as_millis());
    let params: [&dyn Param; 5] = [&organization, &repeat.by.as_str(), &&*repeat.route, &repeat.key.as_str(), &since];
    Ok(client.query_opt(sql, &params).await?.is_some())
}

/// Keeps an answer, unless one is there that counts.
pub(super) async fn keep(
    transaction: &Transaction<'_>,
    organization: &str,
    answer: &Answer,
    at: Timestamp,
) -> Result<(), Trouble> {
    let sql = "insert into repeat (organization, by_key, route, key, request, status, headers, body, user_id, at) \
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (organization, by_key, route, key) do update \
               set request = excluded.request, status = excluded.status, headers = excluded.headers, \
               body = excluded.body, user_id = excluded.user_id, at = excluded.at where repeat.at <= $11";
    let (repeat, body) = (&answer.repeat, (answer.write)(at));
    let params: [&dyn Param; 11] = [
        &organization,
        &repeat.by.as_str(),
        &&*repeat.route,
        &repeat.key.as_str(),
        &repeat.body.as_slice(),
        &(answer.status as i16),
        &answer.headers,
        &body.as_slice(),
        &answer.about.as_ref().map(|id| id.as_str()),
        &at.as_millis(),
        &at.plus_millis(-KEPT).as_millis(),
    ];
    match transaction.execute(sql, &params).await? {
        0 => Err(Trouble::Refused(Error::Answered)),
        _ => Ok(()),
    }
}
