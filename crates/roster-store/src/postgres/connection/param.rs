//! Values of statements, each with the type it has there: a statement that is not prepared has to name them.

use tokio_postgres::{
    Statement,
    types::{ToSql, Type},
};

/// A value of a statement.
pub(in super::super) trait Param: ToSql + Sync {
    fn sql_type(&self) -> Type;
}

/// A value that a column holds.
pub(in super::super) trait Scalar: ToSql + Sync {
    const TYPE: Type;
    const ARRAY: Type;
}

macro_rules! scalars {
    ($($rust:ty: $one:ident, $many:ident;)*) => {
        $(impl Scalar for $rust {
            const TYPE: Type = Type::$one;
            const ARRAY: Type = Type::$many;
        })*
    };
}

scalars! {
    &str: TEXT, TEXT_ARRAY;
    String: TEXT, TEXT_ARRAY;
    &[u8]: BYTEA, BYTEA_ARRAY;
    bool: BOOL, BOOL_ARRAY;
    i16: INT2, INT2_ARRAY;
    i32: INT4, INT4_ARRAY;
    i64: INT8, INT8_ARRAY;
}

impl<T: Scalar> Scalar for Option<T> {
    const TYPE: Type = T::TYPE;
    const ARRAY: Type = T::ARRAY;
}

impl<T: Scalar> Param for T {
    fn sql_type(&self) -> Type {
        T::TYPE
    }
}

impl<T: Scalar> Param for Vec<T> {
    fn sql_type(&self) -> Type {
        T::ARRAY
    }
}

/// The values of a statement that is prepared.
pub(super) fn values<'a>(statement: &Statement, params: &[&'a dyn Param]) -> Vec<&'a (dyn ToSql + Sync)> {
    // So that whatever runs a statement also finds out whether it would run without being prepared.
    debug_assert!(
        params.iter().map(|param| param.sql_type()).eq(statement.params().iter().cloned()),
        "the server takes {:?}",
        statement.params()
    );
    params.iter().map(|param| *param as _).collect()
}

/// The values of a statement that is not.
pub(super) fn typed<'a>(params: &[&'a dyn Param]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    params.iter().map(|param| (*param as _, param.sql_type())).collect()
}
