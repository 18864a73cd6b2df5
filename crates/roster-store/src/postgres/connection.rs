//! A connection, and how a statement goes over it: prepared once for each, or, where a pooler keeps none, by itself.

mod param;

use deadpool_postgres::Object;
use tokio_postgres::{CancelToken, Error, IsolationLevel, Portal, Row, Statement};

pub(super) use param::Param;

/// Whether statements are prepared. Between Roster and the server there may be a pooler that gives each transaction the
/// connection that is free: then a statement that was prepared on one is missing on the next, and one of another process
/// may be there by the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statements {
    /// Once on each connection, by name: later uses are one round trip, and the server has parsed them.
    Prepared,
    /// Never: each use is parsed, run and forgotten, in one round trip, for which a pooler keeps the connection.
    Unnamed,
}

/// A connection of the pool.
pub(super) struct Connection {
    client: Object,
    statements: Statements,
}

/// A transaction on a connection. Undone unless it is committed.
pub(super) struct Transaction<'a> {
    inner: deadpool_postgres::Transaction<'a>,
    statements: Statements,
}

/// What statements can be sent to.
pub(super) trait Ask {
    fn client(&self) -> &tokio_postgres::Client;

    fn statements(&self) -> Statements;

    /// The statement as it is prepared on this connection. For [`Statements::Prepared`] only.
    async fn prepared(&self, sql: &str) -> Result<Statement, Error>;

    /// Does now what has to be done before a statement can be sent, so that nothing but the statement is left.
    async fn prepare(&self, sql: &str) -> Result<(), Error> {
        match self.statements() {
            Statements::Prepared => self.prepared(sql).await.map(drop),
            Statements::Unnamed => Ok(()),
        }
    }

    async fn query(&self, sql: &str, params: &[&dyn Param]) -> Result<Vec<Row>, Error> {
        match self.statements() {
            Statements::Prepared => {
                let statement = self.prepared(sql).await?;
                self.client().query(&statement, &param::values(&statement, params)).await
            }
            Statements::Unnamed => self.query_once(sql, params).await,
        }
    }

    /// The same for a statement that may never come again: it is not prepared in any case.
    async fn query_once(&self, sql: &str, params: &[&dyn Param]) -> Result<Vec<Row>, Error> {
        self.client().query_typed(sql, &param::typed(params)).await
    }

    async fn query_one(&self, sql: &str, params: &[&dyn Param]) -> Result<Row, Error> {
        match self.statements() {
            Statements::Prepared => {
                let statement = self.prepared(sql).await?;
                self.client().query_one(&statement, &param::values(&statement, params)).await
            }
            Statements::Unnamed => self.client().query_typed_one(sql, &param::typed(params)).await,
        }
    }

    async fn query_opt(&self, sql: &str, params: &[&dyn Param]) -> Result<Option<Row>, Error> {
        match self.statements() {
            Statements::Prepared => {
                let statement = self.prepared(sql).await?;
                self.client().query_opt(&statement, &param::values(&statement, params)).await
            }
            Statements::Unnamed => self.client().query_typed_opt(sql, &param::typed(params)).await,
        }
    }

    /// How many rows it touched.
    async fn execute(&self, sql: &str, params: &[&dyn Param]) -> Result<u64, Error> {
        match self.statements() {
            Statements::Prepared => {
                let statement = self.prepared(sql).await?;
                self.client().execute(&statement, &param::values(&statement, params)).await
            }
            Statements::Unnamed => self.client().execute_typed(sql, &param::typed(params)).await,
        }
    }

    /// Statements without parameters and answers.
    async fn batch_execute(&self, sql: &str) -> Result<(), Error> {
        self.client().batch_execute(sql).await
    }
}

impl Ask for Connection {
    fn client(&self) -> &tokio_postgres::Client {
        &self.client
    }

    fn statements(&self) -> Statements {
        self.statements
    }

    async fn prepared(&self, sql: &str) -> Result<Statement, Error> {
        self.client.prepare_cached(sql).await
    }
}

impl Ask for Transaction<'_> {
    fn client(&self) -> &tokio_postgres::Client {
        self.inner.client()
    }

    fn statements(&self) -> Statements {
        self.statements
    }

    async fn prepared(&self, sql: &str) -> Result<Statement, Error> {
        self.inner.prepare_cached(sql).await
    }
}

impl Connection {
    pub(super) fn new(client: Object, statements: Statements) -> Self {
        Self { client, statements }
    }

    pub(super) async fn transaction(&mut self) -> Result<Transaction<'_>, Error> {
        Ok(Transaction { inner: self.client.transaction().await?, statements: self.statements })
    }

    /// A transaction that reads everything as it is at one moment.
    pub(super) async fn moment(&mut self) -> Result<Transaction<'_>, Error> {
        let moment = self.client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        Ok(Transaction { inner: moment.start().await?, statements: self.statements })
    }

    pub(super) fn cancel_token(&self) -> CancelToken {
        self.client.cancel_token()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Closes it, instead of giving it back to the pool.
    pub(super) fn close(self) {
        drop(Object::take(self.client));
    }
}

impl Transaction<'_> {
    pub(super) async fn commit(self) -> Result<(), Error> {
        self.inner.commit().await
    }

    pub(super) async fn rollback(self) -> Result<(), Error> {
        self.inner.rollback().await
    }

    /// Runs a statement whose rows are fetched one part after the other. It has a name, within the transaction.
    pub(super) async fn bind(&self, sql: &str, params: &[&dyn Param]) -> Result<Portal, Error> {
        let statement = self.inner.prepare(sql).await?;
        self.inner.bind(&statement, &param::values(&statement, params)).await
    }

    /// The next rows of it, so many at most.
    pub(super) async fn query_portal(&self, portal: &Portal, rows: i32) -> Result<Vec<Row>, Error> {
        self.inner.query_portal(portal, rows).await
    }
}
