-- What PostgreSQL takes by itself: 64 users a statement, the rows that Roster writes for each, ids that rise as Roster's.
with moment as (
    select (extract(epoch from clock_timestamp()) * 1000000)::bigint * 4 + :client_id as batch
), input as (
    select 'org_000000000007' as organization, 'usr_' || lpad((batch / 4000000)::text, 10, '0') || '_' ||
           lpad(to_hex(batch % 4000000), 6, '0') || lpad(n::text, 3, '0') as id, batch * 64 + n as place,
           'First' || n as first_name, 'Last' || batch as last_name, 'user' || n || '.' || batch || '@example.com' as email,
           (n % 7)::smallint as role
    from moment, generate_series(1, 64) as n
), added as (
    insert into users (organization, id, place, first_name, last_name, email, email_key, role, phone, phone_digits,
                       npi, npi_valid, sms, search)
    select organization, id, place, first_name, last_name, email, email, role, '+14155550100', '14155550100',
           null, null, true, first_name || last_name || email || '14155550100'
    from input on conflict do nothing returning organization, id, role
), remembered as (
    insert into audit (organization, place, lane, actor, action, target, fields, request)
    select organization, place, :client_id, 'key_000000000000', 'user.created', id,
           'firstName,lastName,role,shouldSendSMS,email,phoneNumber', '0123456789abcdef'
    from input returning 1
), owing as (
    insert into outbox (organization, id, place, kind, about, queue, due_at)
    select organization, 'msg_' || substr(id, 5), place, 'sms.welcome', id, 'sms', place / 1048576 from input returning 1
), consented as (
    insert into sms_consent (organization, user_id, at, given, said_by, wording, reference)
    select organization, id, place / 1048576, true, 'key_000000000000', 0, '0123456789abcdef' from input returning 1
), counted as (
    insert into role_count (organization, role, lane, users)
    select organization, role, :client_id, count(*) from added group by organization, role
    on conflict (organization, role, lane) do update set users = role_count.users + excluded.users returning 1
)
select count(*) from added;
