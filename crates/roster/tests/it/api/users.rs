//! `/api/v1/users`

mod create;
