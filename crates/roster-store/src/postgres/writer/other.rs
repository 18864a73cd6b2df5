//! Changes that are not one deed to one user: rare, and each a transaction of a few statements.

use roster_directory::{
    Change, Role, Timestamp, Write,
    organization::{Country, TimeZone},
};

use super::{
    super::{
        answers,
        attempts::Attempts,
        clock,
        connection::{Ask, Connection, Param, Transaction},
        lending::Trouble,
        outbox, place,
    },
    users::{Act, Statement},
};
use crate::Error;

/// Whether a change was written by an attempt that was lost: its audit entry is there.
pub(super) async fn is_written(
    client: &Connection,
    change: &Change,
    place: i64,
    lane: i32,
) -> Result<bool, tokio_postgres::Error> {
    let sql = "select 1 from audit where organization = $1 and place = $2 and lane = $3";
    Ok(client.query_opt(sql, &[&change.organization.as_str(), &place, &lane]).await?.is_some())
}

async fn lock_organization(transaction: &Transaction<'_>, organization: &str) -> Result<(), tokio_postgres::Error> {
    transaction.execute("select 1 from organization where id = $1 for update", &[&organization]).await.map(drop)
}

pub(super) async fn write(
    client: &mut Connection,
    attempts: &Attempts,
    change: &Change,
    place: i64,
    (lane, counter): (i32, i32),
) -> Result<(), Trouble> {
    let organization = change.organization.as_str();
    let transaction = client.transaction().await?;
    let mut alters = false;
    if !matches!(change.writes.as_slice(), [Write::Organization(_)]) {
        let sql = "select 1 from organization where id = $1";
        if transaction.query_opt(sql, &[&organization]).await?.is_none() {
            return Err(Trouble::Refused(Error::NoOrganization));
        }
    }
    for write in &change.writes {
        match write {
            Write::Organization(new) => {
                let sql = "insert into organization (id, place, name, country, time_zone, created_at) \
                           values ($1, $2, $3, $4, $5, $6)";
                let (id, name, at) = (new.id.as_str(), new.name.as_str(), new.created_at.as_millis());
                let (country, zone) = (new.country.as_str(), new.time_zone.as_str());
                transaction.execute(sql, &[&id, &place, &name, &country, &zone, &at]).await?;
            }
            Write::OrganizationAltered(altered) => {
                let sql = "update organization set name = coalesce($2, name), country = coalesce($3, country), \
                           time_zone = coalesce($4, time_zone) where id = $1";
                let name = altered.name.as_ref().map(|name| name.as_str());
                let country = altered.country.as_ref().map(Country::as_str);
                let zone = altered.time_zone.as_ref().map(TimeZone::as_str);
                alters |= transaction.execute(sql, &[&organization, &name, &country, &zone]).await? > 0;
            }
            Write::Payor(payor) => {
                let sql = "insert into payor (organization, id, name, created_at) values ($1, $2, $3, $4)";
                let at = payor.created_at.as_millis();
                transaction.execute(sql, &[&organization, &payor.id.as_str(), &payor.name.as_str(), &at]).await?;
                // Of two that add a name at once, the second looks after the first has committed.
                lock_organization(&transaction, organization).await?;
                let sql = "select name from payor where organization = $1 and id <> $2";
                let names = transaction.query(sql, &[&organization, &payor.id.as_str()]).await?;
                if names.iter().any(|row| payor.name.is_taken_by(row.get(0))) {
                    return Err(Trouble::Refused(Error::NameTaken));
                }
            }
            Write::Key(key) => {
                let sql = "insert into api_key (id, organization, role, name, hash, created_at, expires_at, revoked_at, \
                           access, created_by, replaces) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
                let (role, hash) = (key.role as i16, key.hash.as_bytes().as_slice());
                let at = key.created_at.as_millis();
                let expires_at = key.expires_at.map(Timestamp::as_millis);
                let revoked_at = key.revoked_at.map(Timestamp::as_millis);
                let (id, name) = (key.id.as_str(), key.name.as_str());
                let (access, created_by) = (key.access as i16, key.created_by.as_deref());
                let replaces = key.replaces.as_ref().map(|id| id.as_str());
                let params: [&dyn Param; 11] = [
                    &id,
                    &organization,
                    &role,
                    &name,
                    &hash,
                    &at,
                    &expires_at,
                    &revoked_at,
                    &access,
                    &created_by,
                    &replaces,
                ];
                transaction.execute(sql, &params).await?;
                // Of two that add a name at once, the second looks after the first has committed.
                lock_organization(&transaction, organization).await?;
                let sql = "select name from api_key k where organization = $1 and revoked_at is null \
                           and (expires_at is null or expires_at > $2) and id is distinct from $3 and id <> $4 \
                           and not exists (select 1 from api_key r where r.organization = $1 and r.replaces = k.id)";
                let live = transaction.query(sql, &[&organization, &at, &replaces, &id]).await?;
                if live.iter().any(|row| key.name.is_taken_by(row.get(0))) {
                    return Err(Trouble::Refused(Error::NameTaken));
                }
            }
            Write::KeyExpires(id, end) => {
                let sql = "update api_key set expires_at = least(coalesce(expires_at, $3), $3) \
                           where organization = $1 and id = $2";
                alters |= transaction.execute(sql, &[&organization, &id.as_str(), &end.as_millis()]).await? > 0;
            }
            Write::KeyRevoked { id, at, unless_last } => {
                if *unless_last {
                    // Of two that revoke the last two at once, the second looks after the first has committed.
                    lock_organization(&transaction, organization).await?;
                    // One that another took over from ends soon.
                    let sql = "select 1 from api_key k where organization = $1 and id <> $2 and role in ($3, $4) \
                               and access = 0 and revoked_at is null and (expires_at is null or expires_at > $5) \
                               and not exists (select 1 from api_key r where r.organization = $1 and r.replaces = k.id) \
                               limit 1";
                    let [admin, hipp_admin] = Role::MANAGERS.map(|role| role as i16);
                    let params: [&dyn Param; 5] = [&organization, &id.as_str(), &admin, &hipp_admin, &at.as_millis()];
                    if transaction.query_opt(sql, &params).await?.is_none() {
                        return Err(Trouble::Refused(Error::LastManager));
                    }
                }
                let sql = "update api_key set revoked_at = coalesce(revoked_at, $3) \
                           where organization = $1 and id = $2";
                alters |= transaction.execute(sql, &[&organization, &id.as_str(), &at.as_millis()]).await? > 0;
            }
            Write::Webhook(_)
            | Write::WebhookState(..)
            | Write::WebhookSecret(..)
            | Write::WebhookDeleted(..)
            | Write::SmsSetting(_)
            | Write::MessageRetried(..)
            | Write::MessageDropped(..) => outbox::apply(&transaction, organization, write).await?,
            Write::User(diff) => {
                let act = [Act::one_of(change, diff, place)];
                if Statement::part(&act, lane, counter).run(&transaction).await?.is_empty() {
                    let [act] = &act;
                    return Err(Trouble::Refused(act.refusal(&transaction).await?));
                }
            }
        }
    }
    let entry = &change.audit;
    let sql = "insert into audit (organization, place, lane, actor, action, target, fields, request, role_before, \
               role_after) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let (actor, action, target) = (entry.actor.as_str(), entry.action.as_str(), entry.target.as_str());
    let (fields, request) = (entry.fields.as_str(), entry.request.as_str());
    let [before, after] = [entry.roles.before, entry.roles.after].map(|role| role.map(|role| role as i16));
    let params: [&dyn Param; 10] =
        [&organization, &place, &lane, &actor, &action, &target, &fields, &request, &before, &after];
    transaction.execute(sql, &params).await?;
    if let Some(answer) = &change.answer {
        answers::keep(&transaction, organization, answer, place::moment(place)).await?;
    }
    for message in &change.owed {
        outbox::insert(&transaction, organization, place, message).await?;
    }
    clock::keep(&transaction, place::moment(place)).await?;
    if alters {
        // Last, so that its lock is held for the commit only. A place besides being higher is another one than any
        // before: also where the database lost its latest changes to a failover, and would count to the same number
        // twice.
        transaction.execute("update epoch set number = greatest(number + 1, $1) where one = 1", &[&place]).await?;
    }
    attempts.sends_commit();
    transaction.commit().await?;
    Ok(())
}
