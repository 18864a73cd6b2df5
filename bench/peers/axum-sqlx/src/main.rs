//! The peer: the same three endpoints on axum + sqlx, over the schema that Roster made. Each create is one transaction
//! (user, audit entry, message, consent, count), synced before it is answered; its key is looked up for each request, as
//! a key may have been revoked.
//!
//!   PORT=8090 DATABASE=roster.db axum-sqlx

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{FromRequestParts, Path, Query, State},
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::{DateTime, SecondsFormat, Utc};
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::{
    Row, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use subtle::ConstantTimeEq;

const ROLES: [&str; 12] = [
    "ADMIN",
    "BILLING_MANAGER",
    "SCHEDULING_MANAGER",
    "CLINICIAN",
    "TECHNICIAN",
    "PATIENT",
    "CAREGIVER",
    "HIPP_ADMIN",
    "HIPP_BILLING_MANAGER",
    "CLINICAL_ADMIN",
    "PAYROLL_ADMIN",
    "CLINICAL_SUPERADMIN",
];

enum Error {
    Unauthorized,
    NotFound,
    Invalid(&'static str, &'static str),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let unique = error.as_database_error().is_some_and(|error| error.is_unique_violation());
        if unique { Self::Invalid("email", "Email is already in use") } else { Self::Database(error) }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, json!({"error": "Invalid API key"})),
            Self::NotFound => (StatusCode::NOT_FOUND, json!({"error": "Resource not found"})),
            Self::Invalid(field, message) => {
                let details = [json!({"code": "custom", "message": message, "path": [field]})];
                (StatusCode::BAD_REQUEST, json!({"error": "Validation error", "details": details}))
            }
            Self::Database(error) => {
                eprintln!("{error}");
                (StatusCode::INTERNAL_SERVER_ERROR, json!({"error": "Internal error"}))
            }
        };
        (status, Json(body)).into_response()
    }
}

/// Who asks, and for which organization.
struct Caller {
    key: String,
    number: i64,
    organization: Organization,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Organization {
    public_id: String,
    name: String,
}

impl FromRequestParts<SqlitePool> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, pool: &SqlitePool) -> Result<Self, Error> {
        let token = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let token = token.strip_prefix("Bearer ").ok_or(Error::Unauthorized)?;
        let key = format!("key_{}", token.split('_').nth(1).ok_or(Error::Unauthorized)?);
        let row = sqlx::query(
            "select k.hash, o.number, o.id, o.name from api_key k join organization o on o.number = k.organization \
             where k.id = ? and k.revoked_at is null",
        )
        .bind(&key)
        .fetch_optional(pool)
        .await?
        .ok_or(Error::Unauthorized)?;
        let right: bool = Sha256::digest(token).as_slice().ct_eq(row.get::<&[u8], _>(0)).into();
        if !right {
            return Err(Error::Unauthorized);
        }
        let organization = Organization { public_id: row.get(2), name: row.get(3) };
        Ok(Self { key, number: row.get(1), organization })
    }
}

/// An organization's rows lie together: their numbers begin with its own.
fn first_place(organization: i64) -> i64 {
    organization << 36
}

fn random(length: usize) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[random.random_range(0..36)])).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewUser {
    first_name: String,
    last_name: String,
    email: Option<String>,
    role: Option<String>,
    phone_number: Option<String>,
    npi_number: Option<String>,
    #[serde(rename = "shouldSendSMS", default)]
    should_send_sms: bool,
    recertification_date: Option<String>,
}

#[derive(Serialize)]
struct Created {
    message: &'static str,
    user: CreatedUser,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreatedUser {
    public_id: String,
    first_name: String,
    last_name: String,
    email: Option<String>,
    role: &'static str,
    phone_number: Option<String>,
    npi_number: Option<String>,
    #[serde(rename = "shouldSendSMS")]
    should_send_sms: bool,
    created_at: String,
    organization: Organization,
}

async fn create(State(pool): State<SqlitePool>, by: Caller, Json(user): Json<NewUser>) -> Result<Json<Created>, Error> {
    let (first_name, last_name) = (user.first_name.trim(), user.last_name.trim());
    let name_fits = |name: &str| (1..=100).contains(&name.chars().count());
    if !name_fits(first_name) {
        return Err(Error::Invalid("firstName", "First name is required"));
    }
    if !name_fits(last_name) {
        return Err(Error::Invalid("lastName", "Last name is required"));
    }
    let is_email = |email: &str| {
        email.len() <= 254 && email.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.'))
    };
    if user.email.as_deref().is_some_and(|email| !is_email(email)) {
        return Err(Error::Invalid("email", "Valid email is required"));
    }
    let role_name = user.role.as_deref().unwrap_or("TECHNICIAN");
    let role = ROLES.iter().position(|role| *role == role_name).ok_or(Error::Invalid("role", "Invalid role"))? as i64;
    let recertify = user.recertification_date.as_deref().map(DateTime::parse_from_rfc3339).transpose();
    let recertify = recertify.map_err(|_| Error::Invalid("recertificationDate", "Invalid date"))?;
    let now = Utc::now();
    let at = now.timestamp_millis();
    let id = format!("usr_{}_{}", now.timestamp(), random(9));

    // It writes from the beginning: a transaction that only becomes a writer later can find that it is too late.
    let mut transaction = pool.begin_with("begin immediate").await?;
    let (users, audits): (i64, i64) = sqlx::query_as(
        "update organization set users = users + 1, audits = audits + 1, latest_at = max(latest_at, ?) \
         where number = ? returning users - 1, audits - 1",
    )
    .bind(at)
    .bind(by.number)
    .fetch_one(&mut *transaction)
    .await?;
    sqlx::query(
        "insert into users (place, organization, id, first_name, last_name, email, email_key, bucket, phone, npi, \
         npi_valid, sms, recertify_at, recertify_day, created_at) \
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )
    .bind(first_place(by.number) + users)
    .bind(by.number)
    .bind(&id)
    .bind(first_name)
    .bind(last_name)
    .bind(&user.email)
    .bind(user.email.as_ref().map(|email| email.to_lowercase()))
    .bind(role)
    .bind(&user.phone_number)
    .bind(&user.npi_number)
    .bind(user.npi_number.as_ref().map(|_| true))
    .bind(user.should_send_sms)
    .bind(recertify.map(|date| date.timestamp_millis()))
    .bind(recertify.map(|date| date.format("%Y-%m-%d").to_string()))
    .bind(at)
    .execute(&mut *transaction)
    .await?;
    let request = random(16);
    sqlx::query("insert into audit (place, at, actor, action, target, fields, request) values (?, ?, ?, 'user.created', ?, ?, ?)")
        .bind(first_place(by.number) + audits)
        .bind(at)
        .bind(&by.key)
        .bind(&id)
        .bind("firstName,lastName,role,shouldSendSMS,email,phoneNumber,npiNumber,recertificationDate")
        .bind(&request)
        .execute(&mut *transaction)
        .await?;
    if user.should_send_sms {
        sqlx::query(
            "insert into outbox (organization, id, kind, about, created_at, queue, due_at) \
             values (?1, ?2, 'sms.welcome', ?3, ?4, 'sms', ?4)",
        )
        .bind(by.number)
        .bind(format!("msg_{}_{}", now.timestamp(), random(9)))
        .bind(&id)
        .bind(at)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "insert into sms_consent (organization, user_id, at, given, said_by, wording, reference) \
             values (?, ?, ?, 1, ?, 0, ?)",
        )
        .bind(by.number)
        .bind(&id)
        .bind(at)
        .bind(&by.key)
        .bind(&request)
        .execute(&mut *transaction)
        .await?;
    }
    sqlx::query(
        "insert into role_count (organization, bucket, users) values (?, ?, 1) \
         on conflict do update set users = users + 1",
    )
    .bind(by.number)
    .bind(role)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;

    Ok(Json(Created {
        message: "User created successfully",
        user: CreatedUser {
            public_id: id,
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            email: user.email,
            role: ROLES[role as usize],
            phone_number: user.phone_number,
            npi_number: user.npi_number,
            should_send_sms: user.should_send_sms,
            created_at: now.to_rfc3339_opts(SecondsFormat::Millis, true),
            organization: by.organization,
        },
    }))
}

#[derive(sqlx::FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    #[sqlx(rename = "id")]
    public_id: String,
    first_name: String,
    last_name: String,
    sex: Option<String>,
    #[sqlx(rename = "caregiver")]
    caregiver_id: Option<String>,
    #[sqlx(rename = "bucket", try_from = "i64")]
    role: Role,
    birth_date: Option<String>,
    address_line1: Option<String>,
    address_line2: Option<String>,
    city: Option<String>,
    state: Option<String>,
    postal_code: Option<String>,
}

#[derive(Serialize)]
struct Role(&'static str);

impl TryFrom<i64> for Role {
    type Error = String;

    fn try_from(role: i64) -> Result<Self, String> {
        ROLES.get(role as usize).copied().map(Role).ok_or_else(|| format!("no role has the number {role}"))
    }
}

async fn one(State(pool): State<SqlitePool>, by: Caller, Path(id): Path<String>) -> Result<Json<User>, Error> {
    let user = sqlx::query_as("select * from users where organization = ? and id = ? and bucket <> 7")
        .bind(by.number)
        .bind(id)
        .fetch_optional(&pool)
        .await?;
    user.map(Json).ok_or(Error::NotFound)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    page: i64,
    page_size: i64,
}

impl Default for Page {
    fn default() -> Self {
        Self { page: 1, page_size: 25 }
    }
}

#[derive(Serialize)]
struct Listed {
    data: Vec<User>,
    pagination: Pagination,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    page: i64,
    page_size: i64,
    total_count: i64,
    total_pages: i64,
}

async fn list(
    State(pool): State<SqlitePool>,
    by: Caller,
    Query(Page { page, page_size }): Query<Page>,
) -> Result<Json<Listed>, Error> {
    if page < 1 || !(1..=100).contains(&page_size) {
        return Err(Error::Invalid("pageSize", "Invalid page"));
    }
    let data = sqlx::query_as(
        "select * from users where place >= ? and place < ? and bucket <> 7 order by place desc limit ? offset ?",
    )
    .bind(first_place(by.number))
    .bind(first_place(by.number + 1))
    .bind(page_size)
    .bind((page - 1) * page_size)
    .fetch_all(&pool)
    .await?;
    let total_count: i64 =
        sqlx::query_scalar("select coalesce(sum(users), 0) from role_count where organization = ? and bucket <> 7")
            .bind(by.number)
            .fetch_one(&pool)
            .await?;
    let total_pages = (total_count + page_size - 1) / page_size;
    Ok(Json(Listed { data, pagination: Pagination { page, page_size, total_count, total_pages } }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = SqliteConnectOptions::new()
        .filename(std::env::var("DATABASE")?)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .pragma("cache_size", "-32768");
    let pool = SqlitePoolOptions::new().max_connections(10).connect_with(options).await?;
    let app = Router::new()
        .route("/api/v1/users", get(list).post(create))
        .route("/api/v1/users/{id}", get(one))
        .with_state(pool);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", std::env::var("PORT")?.parse()?)).await?;
    axum::serve(listener, app).await?;
    Ok(())
}
