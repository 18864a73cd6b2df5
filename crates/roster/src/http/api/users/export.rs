//! `/api/v1/users/export`: all users of a list, as a file.

use std::{fs::File, io::Read};

use axum::{
    body::Body,
    extract::{RawQuery, State},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use roster_store::Leave;
use utoipa::{IntoParams, ToSchema};

use super::{
    super::{
        super::{AppState, auth::Reader},
        error::ApiResult,
        role::UserRole,
    },
    parse,
    shape::StatusFilter,
};
use crate::{
    app::Error,
    export::{Exported, Format, export},
};

/// Bytes that are read and sent at once.
const BLOCK: usize = 64 << 10;

/// Export users
///
/// All users that the list finds under the same filters, in its order, whole, as they are at one moment: everything that was
/// answered before this request is in it, and nothing that is written after the export began to read. The file is complete
/// before the answer begins. `roster import --match publicId` reads it back.
#[utoipa::path(
    get,
    path = "/v1/users/export",
    operation_id = "exportUsers",
    tag = "users",
    security(("BearerAuth" = [])),
    params(ExportParams),
    responses((
        status = 200, description = "The file",
        content(
            (String = "text/csv"),
            (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            (String = "application/x-ndjson")
        ),
        headers(("Content-Disposition" = String, description = "`attachment`, with a name that has the day in UTC"))
    ))
)]
pub(crate) async fn export_users(
    State(shared): AppState,
    Reader(caller): Reader,
    RawQuery(query): RawQuery,
) -> ApiResult {
    let (query, format) = parse::exported(query.as_deref().unwrap_or_default(), caller.identity.may_read)?;
    let now = shared.app.clock().now().map_err(Error::from)?.to_string();
    let exported = export(&shared.app, &caller, &query, format).await?;
    Ok(attachment(exported, format, &now[..10]))
}

fn attachment(exported: Exported, format: Format, day: &str) -> Response {
    let Exported { file, bytes, leave, .. } = exported;
    let mut response = Response::new(sent(file, leave));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(CONTENT_LENGTH, bytes.into());
    let named = format!("attachment; filename=\"users-{day}.{}\"", format.as_str());
    headers.insert(CONTENT_DISPOSITION, HeaderValue::try_from(named).expect("visible ASCII"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The file, block by block, as the client takes them.
fn sent(file: File, leave: Leave) -> Body {
    let blocks = stream::try_unfold((file, leave), async |(mut file, leave)| {
        let read = tokio::task::spawn_blocking(move || {
            let mut block = Vec::with_capacity(BLOCK);
            file.by_ref().take(BLOCK as u64).read_to_end(&mut block).map(|_| (block, file))
        });
        let (block, file) = read.await??;
        let more = (!block.is_empty()).then(|| (Bytes::from(block), (file, leave)));
        Ok::<_, std::io::Error>(more)
    });
    Body::from_stream(blocks)
}

/// Which users, and as what.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct ExportParams {
    /// What kind of file: `csv` unless another is given
    #[param(inline)]
    format: Option<FileFormat>,
    /// As in the list
    #[param(max_length = 200, pattern = r"^[^\u0000-\u0008\u000e-\u001f\u007f-\u009f]*$")]
    search: Option<String>,
    /// Filter by role; HIPP_ADMIN users are never in it
    role: Option<UserRole>,
    /// Filter by status: ACTIVE unless another is given
    #[param(inline)]
    status: Option<StatusFilter>,
    /// Filter by email address: exact, ignoring the case of ASCII letters
    #[param(pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    email: Option<String>,
    /// As in the list
    #[param(
        pattern = "^(createdAt|updatedAt)_(asc|desc)(,(createdAt|updatedAt)_(asc|desc))*$",
        example = "createdAt_desc,updatedAt_asc"
    )]
    sort: Option<String>,
}

/// What kind of file.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) enum FileFormat {
    Csv,
    Xlsx,
    Ndjson,
}
