//! What many resources have in common on the wire.

use axum::extract::{Path, rejection::PathRejection};
use serde::Serialize;
use utoipa::ToSchema;

/// That something was done.
#[derive(Serialize, ToSchema)]
pub(crate) struct Done {
    #[schema(examples("Webhook deleted successfully"))]
    pub(crate) message: &'static str,
}

/// A path with one id in it.
pub(super) type OneId = Result<Path<String>, PathRejection>;
