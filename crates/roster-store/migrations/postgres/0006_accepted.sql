-- A text message that the gateway took is accepted (6), and its attempt too (5). Delivered (2, of an attempt 1) means that
-- it reached its phone, which nobody knew so far. A webhook's message is delivered as before.

update attempt set outcome = 5 where outcome = 1 and exists (
    select 1 from outbox where outbox.organization = attempt.organization and outbox.id = attempt.message
    and outbox.webhook is null
);
update outbox set state = 6 where state = 2 and webhook is null;
