-- All the secrets that a webhook's messages are also signed with, and until when: of several replaced within a day the
-- receiver may have any. Each is 48 hexadecimal digits, a colon, 13 digits of milliseconds since 1970, and a space, in the
-- order in which they were replaced. They stand in the webhook's row so that one statement moves a secret from one place
-- to the other, whoever else rotates at that moment.
--
-- old_secret and old_secret_until are read by nobody from here on. They stay while an older Roster may still run.

alter table webhook add column old_secrets text not null default '';

update webhook set old_secrets = encode(old_secret, 'hex') || ':' || lpad(cast(old_secret_until as text), 13, '0') || ' '
    where old_secret is not null and old_secret_until is not null;
