-- What PostgreSQL takes by itself: 64 users a statement, the rows that Roster writes for each.
\set batch random(1, 60000000000)
with input as (
    select 'org_000000000007' as organization, 'usr_1795592000_' || lpad(to_hex(:batch::bigint), 9, '0') || '_' || n as id,
           :batch::bigint * 64 + n as place, 'First' || n as first_name, 'Last' || :batch as last_name,
           'user' || n || '.' || :batch || '@example.com' as email, (n % 7)::smallint as role
    from generate_series(1, 64) as n
), added as (
    insert into users (organization, id, place, first_name, last_name, email, email_key, role, phone, phone_digits,
                       phone_e164, npi, npi_valid, sms, search)
    select organization, id, place, first_name, last_name, email, email, role, '+14155550100', '14155550100',
           '+14155550100', null, null, true, first_name || last_name || email || '14155550100'
    from input on conflict do nothing returning organization, id, role
), remembered as (
    insert into audit (organization, place, lane, actor, action, target, fields, request)
    select organization, place, :client_id, 'key_000000000000', 'user.created', id,
           'firstName,lastName,role,shouldSendSMS,email,phoneNumber', '0123456789abcdef'
    from input returning 1
), owing as (
    insert into outbox (organization, id, place, kind, about, queue, due_at)
    select organization, 'msg_' || id, place, 'sms.welcome', id, 'sms', place / 1048576 from input returning 1
), consented as (
    insert into sms_consent (organization, user_id, at, given, said_by, wording, reference)
    select organization, id, place / 1048576, true, 'key_000000000000', 0, '0123456789abcdef' from input returning 1
), counted as (
    insert into role_count (organization, role, lane, users)
    select organization, role, :client_id, count(*) from added group by organization, role
    on conflict (organization, role, lane) do update set users = role_count.users + excluded.users returning 1
)
select count(*) from added;
